/** Routes: one exact path per RPC, with its deadline, and an answer for everything else. */
import { type BlockMap, type Noted, noted, seconds } from '../blocks/block.ts';
import { type Method, pathOf } from '../contract/contract.ts';
import { formatPosition } from '../contract/position.ts';

type Routed = Pick<Method, 'fullName' | 'limits'> & Partial<Pick<Method, 'position'>>;

/** Where the policy of an RPC stands, for the comment beside what was made of it. */
export const sourceOf = ({ position }: Partial<Pick<Method, 'position'>>): string =>
  position ? formatPosition(position) : 'of every server';

/** The route of one RPC to `cluster`. `action` adds to the route's action, `perFilter` configures filters. */
export function rpcRoute(
  method: Routed,
  cluster: string,
  action: BlockMap,
  perFilter: BlockMap,
  extra?: BlockMap,
): Noted {
  return noted(sourceOf(method), {
    name: method.fullName,
    match: { path: pathOf(method) },
    ...extra,
    route: { cluster, ...timeLimits(method), ...action },
    typed_per_filter_config: Object.keys(perFilter).length > 0 ? perFilter : undefined,
  });
}

/** `max_stream_duration` is what makes Envoy clamp, add or replace grpc-timeout; the plain timeout would only get in its way. */
function timeLimits({ limits }: Routed): BlockMap {
  const longest = seconds(limits.kind === 'unary' ? limits.deadlineMs : limits.maxDurationMs);
  return {
    timeout: '0s',
    idle_timeout: limits.kind === 'stream' ? seconds(limits.idleTimeoutMs) : undefined,
    max_stream_duration: { max_stream_duration: longest, grpc_timeout_header_max: longest },
  };
}

/** Catches what no exact path matched: UNIMPLEMENTED, saying `message`. */
export const unknownRpcRoute = (message: string): Noted =>
  noted('Everything else.', {
    name: 'unknown',
    match: { prefix: '/' },
    direct_response: { status: 404, body: { inline_string: message } },
  });

/**
 * The same for the edge, without a text of its own. CORS does not work on direct responses, and without CORS a browser would not
 * learn that the RPC is unknown; so this is a route to a cluster that nobody can name: strangers' x-weft-* headers are removed.
 */
export const unknownRpcRouteWithCors = (perFilter: BlockMap): Noted =>
  noted('Everything else: no such RPC.', {
    name: 'unknown',
    match: { prefix: '/' },
    route: { cluster_header: 'x-weft-nowhere', cluster_not_found_response_code: 'NOT_FOUND' },
    typed_per_filter_config: perFilter,
  });

/** RPC names by service, as grpc_stats wants to know them. */
export function rpcsByService(methods: Iterable<Pick<Method, 'fullName'>>): Map<string, string[]> {
  const services = new Map<string, string[]>();
  for (const { fullName } of methods) {
    const [service = '', method = ''] = fullName.split('/');
    services.set(service, [...(services.get(service) ?? []), method]);
  }
  return services;
}
