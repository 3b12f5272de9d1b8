/** Access logs: one JSON object per request, and one per handshake that failed. No paths with queries, addresses of clients or subjects. */
import { type BlockMap, extension } from './block.ts';

const requestFields: BlockMap = {
  time: '%START_TIME%',
  route: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  http: '%RESPONSE_CODE%',
  grpc: '%GRPC_STATUS%',
  flags: '%RESPONSE_FLAGS%',
  details: '%RESPONSE_CODE_DETAILS%',
  peer: '%DOWNSTREAM_PEER_URI_SAN%',
  upstream: '%UPSTREAM_CLUSTER%',
  upstream_peer: '%UPSTREAM_PEER_URI_SAN%',
  upstream_failure: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  duration_ms: '%DURATION%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  timeout: '%REQ(GRPC-TIMEOUT)%',
  trace: '%TRACE_ID%',
};

const connectionFields: BlockMap = {
  time: '%START_TIME%',
  event: 'connection',
  peer: '%DOWNSTREAM_PEER_URI_SAN%',
  tls_failure: '%DOWNSTREAM_TRANSPORT_FAILURE_REASON%',
  duration_ms: '%DURATION%',
};

/** One line per request, health checks left out. `listener` says which of the workload's listeners it came through. */
export const requestLog = (path: string, listener: string): BlockMap[] => [
  {
    ...log(path, { ...requestFields, listener }),
    filter: { not_health_check_filter: {} },
  },
];

/** One line per connection that ends: the only place that says why a handshake failed. */
export const connectionLog = (path: string): BlockMap[] => [log(path, connectionFields)];

/** `stdout` is no file: in a container it may be a pipe that cannot be opened by a path. */
function log(path: string, fields: BlockMap): BlockMap {
  const format = { log_format: { json_format: fields, omit_empty_values: true } };
  return path === 'stdout'
    ? extension('access_loggers.stdout', 'extensions.access_loggers.stream.v3.StdoutAccessLog', format)
    : extension('access_loggers.file', 'extensions.access_loggers.file.v3.FileAccessLog', { path, ...format });
}
