/**
 * Statistics as Prometheus sees them: which parts of their names become labels, and the buckets of histograms. What alert rules and
 * dashboards select is named here, beside the rules that give it those names.
 */
import type { Method } from '../contract/contract.ts';
import type { Block, BlockMap } from './block.ts';

/** An RPC in the names of statistics, and the value of its label `weft_rpc`: `acme.shelf.v1.ShelfService.GetBook`. */
export const statName = ({ fullName }: Pick<Method, 'fullName'>): string => fullName.replace('/', '.');

/** What Envoys export, in the words of Prometheus. Those of RPCs are counted by the caller: its sidecar, or the edge. */
export const metrics = {
  /** Calls that ended with a status. Labels: weft_rpc, callee. */
  calls: 'envoy_cluster_grpc_total',
  /** Those whose status is not OK: by gRPC's status, of a Connect call by the HTTP status. Labels: weft_rpc, callee. */
  failures: 'envoy_cluster_grpc_failure',
  /** Calls over gRPC and gRPC-Web by status. Labels: weft_rpc, callee, grpc_code (a number). */
  callsByCode: 'envoy_cluster_grpc',
  /** Answers of HTTP 400 to 499, which only Connect calls get. Labels: weft_rpc, vhost. */
  connectClientErrors: 'envoy_vhost_route_upstream_rq_4xx',
  /** Milliseconds until a call was answered, all tries included (grpc_stats counts the last one only). Labels: weft_rpc, vhost. */
  latencyMs: 'envoy_vhost_route_upstream_rq_time',
  /** Tries after the first. Labels: weft_rpc, vhost. */
  retries: 'envoy_vhost_route_upstream_rq_retry',
  /** Retries that the budget refused. Labels: callee. */
  retryOverflow: 'envoy_cluster_upstream_rq_retry_overflow',
  /** Calls that a sidecar refused because its service had too many at once; its cluster is `app`. Labels: callee. */
  overload: 'envoy_cluster_upstream_rq_active_overflow',
  /** Calls that an allow-list refused. Labels: hcm. */
  denied: 'envoy_http_rbac_denied',
  /** Requests that came in. Labels: hcm. */
  requests: 'envoy_http_downstream_rq_total',
  /** Calls that a rate limit refused. */
  rateLimited: 'envoy_limit_http_local_rate_limit_enforced',
  /** Replicas that answer health checks, as a caller sees them. Labels: callee. */
  healthyReplicas: 'envoy_cluster_membership_healthy',
  /** Whole days until the first certificate of an Envoy expires. */
  certificateDays: 'envoy_server_days_until_first_cert_expiring',
} as const;

const bucketsMs = [
  1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 2000, 5000, 10_000, 30_000,
];

/**
 * Tag rules that leave `pkg.Service.Method` whole, and buckets in milliseconds. An RPC among `methods` whose latency objective lies
 * between two of them gets it as one more, so that what an alert counts is what was promised. (Envoy keeps two significant digits
 * of a time: an objective of three is counted to within a tenth.)
 */
export const statistics = (methods: readonly Method[]): BlockMap => ({
  use_all_default_tags: false,
  stats_tags: [
    {
      tag_name: 'weft_rpc',
      regex: '^(?:cluster\\.[^.]+\\.grpc|vhost\\.[^.]+\\.route)\\.(((?:[a-z0-9_]+\\.)+[A-Z]\\w*\\.[A-Z]\\w*)\\.)',
    },
    { tag_name: 'grpc_code', regex: '^cluster\\.[^.]+\\.grpc\\..*?[A-Z]\\w*(\\.(\\d+))$' },
    { tag_name: 'callee', regex: '^cluster\\.((.+?)\\.)' },
    { tag_name: 'vhost', regex: '^vhost\\.((.+?)\\.)' },
    { tag_name: 'hcm', regex: '^http\\.((.+?)\\.)' },
  ],
  histogram_bucket_settings: [...methods.flatMap(exactBuckets), { match: { suffix: 'rq_time' }, buckets: bucketsMs }],
});

function exactBuckets(method: Method): Block[] {
  const latencyMs = method.objective?.latencyMs;
  if (latencyMs === undefined || bucketsMs.includes(latencyMs)) return [];
  const buckets = [...bucketsMs, latencyMs].sort((a, b) => a - b);
  return [{ match: { suffix: `.route.${statName(method)}.upstream_rq_time` }, buckets }];
}
