/** The contract of a new service: one RPC that reads and one that changes, with comments, bounds and policy. */
import type { Names } from './names.ts';

const imported = ['buf/validate/validate.proto', 'google/protobuf/timestamp.proto', 'weft/mesh/v1/options.proto'];

/** The text of the proto file, as buf formats it. */
export function protoText(names: Names): string {
  const { protoPackage, workload, service, resource, snake, words, aResource } = names;
  return `syntax = "proto3";

package ${protoPackage};

${imported.map((file) => `import "${file}";`).join('\n')}

// Keeps things of one kind: each is ${aResource}.
service ${service} {
  option (weft.mesh.v1.service) = {
    workload: "${workload}"
    max_concurrent_requests: 64
  };

  // Gets one ${words}. May be repeated.
  //
  // - NOT_FOUND (RESOURCE_NOT_FOUND): no ${words} has this id.
  rpc Get${resource}(Get${resource}Request) returns (Get${resource}Response) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (weft.mesh.v1.method) = {
      deadline: {seconds: 1}
      exposure: EXPOSURE_AUTHENTICATED
      scopes: [
        "${workload}:read",
        "${workload}:write"
      ]
      rate_limit: {
        requests_per_second: 50
        burst: 200
      }
      retry: {max_attempts: 3}
      objective: {
        availability_ppm: 999000
        latency: {nanos: 100000000}
        latency_ppm: 990000
      }
    };
  }

  // Creates ${aResource}. Repeating the same request returns the first response.
  //
  // - ALREADY_EXISTS (REQUEST_ID_REUSED): the same \`request_id\` came with another body.
  rpc Create${resource}(Create${resource}Request) returns (Create${resource}Response) {
    option idempotency_level = IDEMPOTENT;
    option (weft.mesh.v1.method) = {
      deadline: {seconds: 2}
      exposure: EXPOSURE_AUTHENTICATED
      scopes: ["${workload}:write"]
      rate_limit: {
        requests_per_second: 20
        burst: 100
      }
      retry: {max_attempts: 3}
      objective: {
        availability_ppm: 999000
        latency: {nanos: 200000000}
        latency_ppm: 990000
      }
    };
  }
}

// ${capital(aResource)}.
message ${resource} {
  // Its id, a UUID that the server chooses.
  string ${snake}_id = 1;
  // What it says: 1 to 1,000 characters.
  string text = 2;
  // When it was created.
  google.protobuf.Timestamp create_time = 3;
}

// Asks for one ${words}.
message Get${resource}Request {
  // The ${words}'s id.
  string ${snake}_id = 1 [(buf.validate.field).string.uuid = true];
}

// The ${words}.
message Get${resource}Response {
  // The ${words}.
  ${resource} ${snake} = 1;
}

// Creates ${aResource}.
message Create${resource}Request {
  // Names this request: a UUID chosen by the caller and kept for its repetitions.
  string request_id = 1 [(buf.validate.field).string.uuid = true];
  // What it says: 1 to 1,000 characters.
  string text = 2 [(buf.validate.field).string = {
    min_len: 1
    max_len: 1000
  }];
}

// The ${words} as created.
message Create${resource}Response {
  // The ${words}.
  ${resource} ${snake} = 1;
}
`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
