/**
 * What Envoy takes in silence though it does nothing, or the wrong thing: closed lists to hold a bootstrap against. Everything is
 * read from the bootstrap alone and from the names of the contract; none of the compiler's code has a part in it.
 */

/** The names that a bootstrap may use. */
export interface KnownNames {
  /** Full names of the RPCs that the contract has. */
  readonly rpcs: ReadonlySet<string>;
  /** Workloads of the contract; the edge is always one. */
  readonly workloads: ReadonlySet<string>;
}

interface Node {
  readonly path: string;
  readonly key: string;
  readonly value: unknown;
}

/** https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/router_filter#x-envoy-retry-on and -grpc-on */
const retryTokens = new Set([
  ...['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure', 'envoy-ratelimited', 'retriable-4xx'],
  ...['refused-stream', 'retriable-status-codes', 'retriable-headers', 'http3-post-connect-failure'],
  ...['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'],
]);
/** Attributes that Envoy knows, of those that the generated expressions have reason to use. */
const attributes = new Set(['connection.uri_san_peer_certificate', 'response.code_details']);
/** What every server answers beside the contract. */
const builtin = /^grpc\.(health\.v1\.Health|reflection\.v1(alpha)?\.ServerReflection)\/\w+$/;

/** Everything in `bootstrap` that is on none of the lists, as `<path>: <what>`. */
export function offTheLists(bootstrap: unknown, known: KnownNames): string[] {
  const nodes = [...walk(bootstrap, '')];
  const clusters = new Set(
    (at(bootstrap, 'static_resources', 'clusters') as { name: string }[]).map(({ name }) => name),
  );
  return nodes.flatMap((node) =>
    rules(known, clusters).flatMap((rule) => rule(node).map((what) => `${node.path}: ${what}`)),
  );
}

type Rule = (node: Node) => string[];

const rules = ({ rpcs, workloads }: KnownNames, clusters: ReadonlySet<string>): readonly Rule[] => [
  ({ key, value }) =>
    key === 'retry_on'
      ? String(value)
          .split(',')
          .filter((token) => !retryTokens.has(token))
          .map((token) => `${token} is no token of retry_on`)
      : [],
  ({ key, value }) =>
    key === 'path' && isExactUrlPath(value) && !isRpcPath(value.exact, rpcs)
      ? [`${value.exact} is no path of an RPC`]
      : [],
  ({ key, value }) => {
    const uris = typeof value === 'string' && key === 'exact' ? (value.match(/^spiffe:.*$/) ?? []) : [];
    return uris.filter((uri) => !isIdentity(uri, workloads)).map((uri) => `${uri} is nobody of the contract`);
  },
  ({ key, value }) =>
    key === 'principal_name' && !String((value as { exact?: string }).exact).startsWith('spiffe://')
      ? ['is no SPIFFE id']
      : [],
  ({ key, value }) =>
    (key === 'cluster' || key === 'cluster_name') &&
    typeof value === 'string' &&
    !clusters.has(value) &&
    !workloads.has(value) &&
    value !== 'edge'
      ? [`there is no cluster ${value}`]
      : [],
  ({ key, value, path }) =>
    key === 'cluster' && typeof value === 'string' && !path.startsWith('.node') && !clusters.has(value)
      ? [`there is no cluster ${value}`]
      : [],
  ({ key, value }) =>
    ['max_tokens', 'tokens_per_fill'].includes(key) && !(Number(value) > 0) ? [`${key} is ${value}`] : [],
  ({ key, value }) =>
    key === 'expression' || key === 'text'
      ? unknownAttributes(String(value)).map((name) => `${name} is no attribute`)
      : [],
  ({ key, value }) => (key.endsWith('HttpConnectionManager') ? unknownFilters(value) : []),
];

const isExactUrlPath = (value: unknown): value is { exact: string } =>
  typeof value === 'object' && value !== null && typeof (value as { exact?: unknown }).exact === 'string';

const isRpcPath = (path: string, rpcs: ReadonlySet<string>): boolean =>
  path.startsWith('/') && (rpcs.has(path.slice(1)) || builtin.test(path.slice(1)));

function isIdentity(uri: string, workloads: ReadonlySet<string>): boolean {
  const [, workload = ''] = /^spiffe:\/\/[a-z0-9.-]+\/([a-z0-9-]+)$/.exec(uri) ?? [];
  return workload === 'edge' || workloads.has(workload);
}

const unknownAttributes = (expression: string): string[] =>
  (expression.replaceAll(/'[^']*'/g, '').match(/[a-z_]+(?:\.[a-z_]+)+/gi) ?? [])
    .map((name) => name.replace(/\.(startsWith|contains|matches)$/, ''))
    .filter((name) => !attributes.has(name));

/** Keys of `typed_per_filter_config` that name no filter of the same connection manager. */
function unknownFilters(manager: unknown): string[] {
  const filters = (at(manager, 'http_filters') as { name: string }[]).map(({ name }) => name);
  return [...walk(at(manager, 'route_config'), '')]
    .filter(({ key }) => key === 'typed_per_filter_config')
    .flatMap(({ value, path }) =>
      Object.keys(value as object)
        .filter((name) => !filters.includes(name))
        .map((name) => `${path}: ${name} is no filter here`),
    );
}

/** Every property, outermost first. A connection manager comes under the name of its type. */
function* walk(value: unknown, path: string): Generator<Node> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const type = (inner as { '@type'?: string } | null)?.['@type'];
    yield { path: `${path}.${key}`, key, value: inner };
    if (type?.endsWith('HttpConnectionManager')) yield { path: `${path}.${key}`, key: type, value: inner };
    yield* walk(inner, `${path}.${key}`);
  }
}

const at = (value: unknown, ...keys: string[]): unknown =>
  keys.reduce((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value) ?? [];
