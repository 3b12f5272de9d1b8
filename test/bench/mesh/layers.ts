/**
 * The layers of the mesh: each is the generated bootstrap with parts taken away, so that the last is what is generated, all of it.
 * Only what a measurement needs is changed in all of them: where they listen, the share of traces, and the sizes of buckets.
 */
import {
  at,
  clusters,
  type Fields,
  filterChain,
  generated,
  httpFilters,
  listeners,
  managers,
  remove,
  removeFilter,
  routes,
} from './bootstrap.ts';

/** Takes from a bootstrap. */
type Change = (bootstrap: Fields) => void;

export interface Layer {
  readonly name: string;
  readonly change: Change;
}

const all =
  (...changes: Change[]): Change =>
  (bootstrap) => {
    for (const change of changes) change(bootstrap);
  };

const withoutTracing: Change = (bootstrap) => {
  for (const manager of managers(bootstrap)) remove(manager, 'tracing');
};
const withoutAccessLog: Change = (bootstrap) => {
  for (const manager of managers(bootstrap)) remove(manager, 'access_log');
  for (const listener of listeners(bootstrap)) remove(listener, 'access_log');
};
const without =
  (filter: string): Change =>
  (bootstrap) =>
    removeFilter(bootstrap, filter);

const withoutRetries: Change = (bootstrap) => {
  for (const route of managers(bootstrap).flatMap(routes))
    remove((route.route as Fields | undefined) ?? {}, 'retry_policy');
};
const withoutDeadlines: Change = (bootstrap) => {
  for (const route of managers(bootstrap).flatMap(routes)) {
    remove((route.route as Fields | undefined) ?? {}, 'max_stream_duration');
  }
};
const withoutHeaderRules: Change = (bootstrap) => {
  for (const manager of managers(bootstrap)) remove(manager, 'early_header_mutation_extensions');
};
const withoutLocalReply: Change = (bootstrap) => {
  for (const manager of managers(bootstrap)) remove(manager, 'local_reply_config');
};
const withoutHealth: Change = (bootstrap) => {
  removeFilter(bootstrap, 'health_check');
  for (const cluster of clusters(bootstrap)) remove(cluster, 'health_checks', 'outlier_detection');
};
const withoutProcess: Change = (bootstrap) => remove(bootstrap, 'overload_manager', 'stats_config');

/** Plaintext at both ends. */
const withoutTls: Change = (bootstrap) => {
  for (const listener of listeners(bootstrap)) remove(filterChain(listener), 'transport_socket');
  for (const cluster of clusters(bootstrap)) remove(cluster, 'transport_socket');
};

/** A proxy as a beginner writes it: one route for everything, the router, and nothing else. */
const bare: Change = (bootstrap) => {
  all(
    withoutTracing,
    withoutAccessLog,
    withoutLocalReply,
    withoutHeaderRules,
    withoutHealth,
    withoutProcess,
  )(bootstrap);
  remove(bootstrap, 'layered_runtime');
  for (const cluster of clusters(bootstrap)) remove(cluster, 'circuit_breakers', 'common_lb_config', 'lb_policy');
  for (const [index, manager] of managers(bootstrap).entries()) {
    const callee = clusters(bootstrap).find(({ name }) => name === 'inventory');
    const target = index === 1 && callee ? 'inventory' : 'app';
    const kept = ['@type', 'stat_prefix', 'codec_type', 'http2_protocol_options'];
    remove(manager, ...Object.keys(manager).filter((key) => ![...kept, 'http_filters'].includes(key)));
    manager.http_filters = httpFilters(manager).filter(({ name }) => String(name).endsWith('router'));
    const route = { match: { prefix: '/' }, route: { cluster: target, timeout: '0s' } };
    manager.route_config = { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] };
  }
};

const sample =
  (percent: number): Change =>
  (bootstrap) => {
    for (const manager of managers(bootstrap)) {
      const root = at(manager, 'tracing', 'provider', 'typed_config', 'sampler', 'typed_config', 'wrapped_sampler');
      at(root, 'typed_config', 'sampling_percentage').numerator = percent * 10_000;
    }
  };

export const layers: readonly Layer[] = [
  { name: 'two plain proxies', change: all(bare, withoutTls) },
  { name: '+ mTLS', change: bare },
  {
    name: '+ allow-list, limits, deadlines, retries, health',
    change: all(withoutTracing, withoutAccessLog, without('grpc_stats')),
  },
  { name: '+ statistics, access log, tracing 1 %', change: sample(1) },
  { name: '+ tracing 100 %', change: sample(100) },
];

/** Everything with 1 % of traces, and the same without one part. */
export const parts: readonly Layer[] = [
  { name: 'everything', change: sample(1) },
  ...(
    [
      ['tracing', withoutTracing],
      ['access log', withoutAccessLog],
      ['grpc_stats', without('grpc_stats')],
      ['rate limit', without('local_ratelimit')],
      ['allow-list', without('rbac')],
      ['health', withoutHealth],
      ['header rules', withoutHeaderRules],
      ['local reply', withoutLocalReply],
      ['retries', withoutRetries],
      ['deadlines', withoutDeadlines],
      ['overload manager, tags', withoutProcess],
    ] as const
  ).map(([name, change]) => ({ name: `without ${name}`, change: all(sample(1), change) })),
];

/** The bootstrap of a workload in a layer; the caller's takes calls at `port`. */
export function bootstrapOf(workload: string, { change }: Layer, port: number): Fields {
  const bootstrap = generated(workload);
  enlargeLimits(bootstrap);
  const outbound = listeners(bootstrap).find(({ name }) => name === 'outbound');
  if (!outbound) throw new Error(`${workload} has no outbound listener`);
  if (workload === 'pricing') outbound.address = { socket_address: { address: '127.0.0.1', port_value: port } };
  const collector = clusters(bootstrap).find(({ name }) => name === 'otlp');
  if (collector)
    at(collector, 'load_assignment', 'endpoints', 0, 'lb_endpoints', 0, 'endpoint').address = {
      pipe: { path: 'run/otlp.sock' },
    };
  change(bootstrap);
  return bootstrap;
}

const limits = new Set(['max_tokens', 'tokens_per_fill', 'max_requests', 'max_pending_requests']);

/** So that nothing is refused at the rates of a benchmark; buckets and counters cost the same at any size. */
function enlargeLimits(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (limits.has(key)) (value as Fields)[key] = 1_000_000;
    else enlargeLimits(inner);
  }
}
