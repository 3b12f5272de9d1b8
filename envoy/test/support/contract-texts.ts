/** Contracts as text, for tests of what the compiler refuses. `PACKAGE` in a name stands for the package of the case. */

export const ok = 'deadline: {seconds: 1} exposure: EXPOSURE_INTERNAL';
export const streamOk = 'stream: {idle_timeout: {seconds: 10} max_duration: {seconds: 60}} exposure: EXPOSURE_INTERNAL';
export const publicOk = 'deadline: {seconds: 1} exposure: EXPOSURE_PUBLIC rate_limit: {requests_per_second: 5}';
export const safe = 'option idempotency_level = NO_SIDE_EFFECTS;';

/** One RPC with these method options. */
export const rpc = (options: string, name = 'Do', messages = '(Request) returns (Response)'): string =>
  `rpc ${name}${messages} { option (weft.mesh.v1.method) = {\n${options}\n}; }`;
export const safeRpc = (options: string): string => rpc(options).replace('{ option', `{ ${safe} option`);
export const streamRpc = (options: string, name = 'Watch'): string =>
  rpc(options, name, '(Request) returns (stream Response)');

/** A service of workload `here`. */
export const service = (rpcs: string, name = 'Here', workload = 'here'): string =>
  `service ${name}Service { option (weft.mesh.v1.service) = {workload: "${workload}"};\n${rpcs}\n}`;

export const twoServices = (callsOfHere: string, callsOfThere: string): string =>
  [service(rpc(`${ok}\n${callsOfHere}`)), service(rpc(`${ok}\n${callsOfThere}`), 'There', 'there')].join('\n');
export const there = 'PACKAGE.ThereService/Do';
export const here = 'PACKAGE.HereService/Do';

export const middle = 'PACKAGE.MiddleService/Do';
export const last = 'PACKAGE.LastService/Do';
/** Three services in a row, each with one RPC of these options, the first two calling the next. */
export const chain = (
  first: string,
  second: string,
  third: string,
  callsOfFirst = `calls: {rpc: "${middle}"}`,
): string => {
  const callsOfSecond = second.includes('calls') ? '' : `calls: {rpc: "${last}"}`;
  return [
    service(safeRpc(`${first.replace('seconds: 1}', 'seconds: 5}')}\n${callsOfFirst}`)),
    service(safeRpc(`${second.replace('seconds: 1}', 'seconds: 2}')}\n${callsOfSecond}`), 'Middle', 'middle'),
    service(safeRpc(third), 'Last', 'last'),
  ].join('\n');
};

/** Requests of all kinds that tests need, for the end of a file. */
export const messages = `
message Request {}
message Response {}
message OptionalId { string request_id = 1 [(buf.validate.field).string.max_len = 40]; }
message AbsentId { optional string request_id = 1 [(buf.validate.field).string.min_len = 1]; }
message ChosenId { oneof id { string request_id = 1 [(buf.validate.field).string.uuid = true]; } }
message IgnoredId { string request_id = 1 [(buf.validate.field) = {string: {min_len: 1} ignore: IGNORE_IF_ZERO_VALUE}]; }
message FlagId { bool request_id = 1 [(buf.validate.field).required = true]; }
message RequiredId { string request_id = 1 [(buf.validate.field).required = true]; }
message LongId { string request_id = 1 [(buf.validate.field).string.min_len = 1]; }
message UuidId { string request_id = 1 [(buf.validate.field).string.uuid = true]; }
`;
