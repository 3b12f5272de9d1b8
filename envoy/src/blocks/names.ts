/** Names that several building blocks have to agree on. Envoy passes over most misspellings in silence, so each is written once. */

/** The workload name of the edge, which no contract may use. */
export const edgeName = 'edge';
/** The cluster of the service behind an inbound listener. */
export const appCluster = 'app';
/** The cluster of the trace collector. */
export const collectorCluster = 'otlp';

/** HTTP filters; also the keys of `typed_per_filter_config`. */
export const filters = {
  cors: 'filters.http.cors',
  grpcWeb: 'filters.http.grpc_web',
  headerMutation: 'filters.http.header_mutation',
  healthCheck: 'filters.http.health_check',
  jwt: 'filters.http.jwt_authn',
  localRateLimit: 'filters.http.local_ratelimit',
  rbac: 'filters.http.rbac',
  grpcStats: 'filters.http.grpc_stats',
  router: 'filters.http.router',
} as const;

/** The metadata namespace of the verified token, and the key of its payload in it. */
export const tokenMetadata = { namespace: 'envoy.filters.http.jwt_authn', payload: 'jwt' } as const;

/** The payload of the verified token, base64url JSON, as the edge forwards it. */
export const claimsHeader = 'x-weft-claims';
/** The trace of a response, as the edge tells it to clients. */
export const traceHeader = 'x-weft-trace-id';

/** `spiffe://weft.local/shelf`. */
export const spiffeId = (trustDomain: string, workload: string): string => `spiffe://${trustDomain}/${workload}`;
