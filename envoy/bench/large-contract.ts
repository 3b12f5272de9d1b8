/**
 * Contracts of any size, to measure the compiler with: protos and topologies as text. They grow as real ones do, by more services:
 * each has a package and a workload of its own, 25 RPCs with every kind of policy, and calls two RPCs of each of its callees.
 */

const rpcsOfService = 25;
/** Services stand in layers; each calls two services of the layer below, so that there is no circle and deadlines fit. */
const deadlinesMs = [100, 1000, 8000, 60_000] as const;

/** Proto files by path, with `rpcs` RPCs in all: a multiple of 25. */
export function largeContract(rpcs: number): Map<string, string> {
  const services = Array.from({ length: rpcs / rpcsOfService }, (_, index) => index);
  return new Map(services.map((index) => [`load/s${index}/v1/s${index}_service.proto`, proto(index, services.length)]));
}

/** A topology for any contract. */
export const topology = (trustDomain: string): string => `trust_domain: ${trustDomain}
workload:
  inbound: unix:run/{workload}.in.sock
  reached_at: ["unix:run/{workload}.in.sock"]
  outbound: unix:run/{workload}.out.sock
  app: unix:run/{workload}.app.sock
  admin: unix:run/{workload}.admin.sock
  certificates: certs/{workload}
  access_log: logs/{workload}.log
edge:
  listen: 127.0.0.1:8080
  trusted_proxies: 0
  reflection: w0
  cors_origins: ['http://localhost:[0-9]+']
  token: {issuer: "https://load.example", audience: load, jwks: jwks.json}
tracing: {collector: "127.0.0.1:4318", sample_percent: 1}
limits: {max_connections: 1024, max_heap_mb: 256}
`;

function proto(service: number, services: number): string {
  const rpcs = Array.from({ length: rpcsOfService }, (_, index) => index);
  return [
    'syntax = "proto3";',
    '',
    `package load.s${service}.v1;`,
    '',
    'import "weft/mesh/v1/options.proto";',
    '',
    `// Service ${service} of ${services}.`,
    `service S${service}Service {`,
    `  option (weft.mesh.v1.service) = {workload: "w${service}"};`,
    ...rpcs.map((index) => rpc(service, services, index)),
    '}',
    ...rpcs.map(messages),
    '',
  ].join('\n');
}

function rpc(service: number, services: number, index: number): string {
  const layer = service % deadlinesMs.length;
  const deadlineMs = deadlinesMs[layer] ?? 0;
  const lines = [
    `deadline: {seconds: ${Math.floor(deadlineMs / 1000)} nanos: ${(deadlineMs % 1000) * 1_000_000}}`,
    ...(layer === 0 ? ['retry: {max_attempts: 2}'] : []),
    ...access(index),
    'objective: {availability_ppm: 999000 latency: {nanos: 50000000} latency_ppm: 990000}',
    ...calleesOf(service, services, layer).flatMap((callee) => [
      'calls: {',
      `  rpc: "load.s${callee}.v1.S${callee}Service/Rpc${index}"`,
      '  parallel: true',
      '}',
    ]),
  ];
  return [
    '',
    `  // Does what number ${index} does, and says so in a comment of some length.`,
    `  rpc Rpc${index}(Rpc${index}Request) returns (Rpc${index}Response) {`,
    '    option idempotency_level = NO_SIDE_EFFECTS;',
    '    option (weft.mesh.v1.method) = {',
    ...lines.map((line) => `      ${line}`),
    '    };',
    '  }',
  ].join('\n');
}

function access(index: number): string[] {
  if (index % 5 === 0) return ['exposure: EXPOSURE_PUBLIC', 'rate_limit: {requests_per_second: 50 burst: 100}'];
  if (index % 5 < 3) return ['exposure: EXPOSURE_AUTHENTICATED', `scopes: ["load:${index}"]`];
  return ['exposure: EXPOSURE_INTERNAL', 'rate_limit: {requests_per_second: 500}'];
}

/** Two services of the layer below, near by, so that a service has as many callers in a large contract as in a small one. */
function calleesOf(service: number, services: number, layer: number): number[] {
  if (layer === 0) return [];
  const below = [service - 1, service - 1 + deadlinesMs.length];
  return below.filter((callee) => callee < services);
}

const messages = (index: number): string =>
  [
    '',
    `// What number ${index} is asked.`,
    `message Rpc${index}Request {`,
    '  // Whom it is about.',
    '  string name = 1;',
    '  // How many.',
    '  int32 count = 2;',
    '}',
    '',
    `// What number ${index} answers.`,
    `message Rpc${index}Response {`,
    '  // What came of it.',
    '  string result = 1;',
    '}',
  ].join('\n');
