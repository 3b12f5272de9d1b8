/** Headers that the edge takes from strangers: what they may not bring in, whatever they mean by it. */

/** Names that begin with one of these are the mesh's own. */
export const strangersPrefixes = ['x-envoy-', 'x-weft-'] as const;

/**
 * Traces begin at the edge: a stranger who could send a traceparent could force sampling and write into others' traces; each
 * response tells its trace instead.
 */
const names: readonly string[] = [
  'x-forwarded-client-cert',
  'x-forwarded-host',
  'x-request-id',
  'traceparent',
  'tracestate',
];
const addresses = 'x-forwarded-for';
/** Set by Envoy itself at every edge. */
const written: readonly string[] = ['x-forwarded-proto', 'x-forwarded-port'];

/** What is removed besides the prefixes. Addresses of clients go no further than the edge, and come from its own proxies only. */
export const strangersHeaders = (trustedProxies: number): string[] =>
  trustedProxies === 0 ? [...names, addresses] : [...names];

/** Whether a header of this name says nothing behind the edge of what the client meant. */
export const isStrangersHeader = (name: string): boolean =>
  strangersPrefixes.some((prefix) => name.startsWith(prefix)) || [...names, addresses, ...written].includes(name);
