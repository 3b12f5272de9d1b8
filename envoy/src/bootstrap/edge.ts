/** The Envoy at the edge: the one door from outside, for gRPC, gRPC-Web and Connect alike. */
import { requestLog } from '../blocks/access-log.ts';
import { type BlockMap, type Noted, noted } from '../blocks/block.ts';
import { corsFilter, corsPolicy, grpcWebFilter, traceHeaderFilter } from '../blocks/browser.ts';
import { collectorClusterAt } from '../blocks/clusters.ts';
import { connectionManager, earlyHeaders, grpcStats, listener } from '../blocks/http.ts';
import { localReply, originalTypeHeader } from '../blocks/local-reply.ts';
import { edgeName } from '../blocks/names.ts';
import { bootstrap } from '../blocks/process.ts';
import { limitPerClient, rateLimitFilter } from '../blocks/rate-limit.ts';
import { denyUnlessRouteAllows, routeIsOpen, routeNeedsScope } from '../blocks/rbac.ts';
import { retryPolicy } from '../blocks/retry.ts';
import { routeVerifiesToken, tokenFilter } from '../blocks/token.ts';
import { tracing } from '../blocks/tracing.ts';
import { exposedMethods, type Method } from '../contract/contract.ts';
import type { Edge } from '../topology/topology.ts';
import { answeredForTheEdge } from './builtin.ts';
import { clusterBetween, type Mesh } from './mesh.ts';
import { rpcRoute, rpcsByService, unknownRpcRouteWithCors } from './route.ts';

/** The whole bootstrap of the edge. */
export function edgeBootstrap(mesh: Mesh): BlockMap {
  const { topology, contract } = mesh;
  const callees = new Set(exposedMethods(contract).keys());
  if (topology.edge.reflection) callees.add(topology.edge.reflection.workload);
  return bootstrap(edgeName, topology.placeOf(edgeName), topology.limits, {
    listeners: [door(mesh)],
    clusters: [
      ...[...callees].map((callee) => clusterBetween(mesh, edgeName, callee)),
      collectorClusterAt(topology.tracing.collector),
    ],
  });
}

function door(mesh: Mesh): BlockMap {
  const { edge, tracing: traces, placeOf } = mesh.topology;
  const exposed = [...exposedMethods(mesh.contract).values()].flat();
  return listener({
    name: edgeName,
    address: edge.listen,
    direction: 'INBOUND',
    manager: connectionManager({
      name: edgeName,
      codec: 'AUTO',
      clientCertificate: 'SANITIZE',
      earlyHeaders: earlyHeaders({ prefixes: ['x-envoy-', 'x-weft-'], names: strangersHeaders(edge) }, [
        [originalTypeHeader, '%REQ(content-type)%'],
      ]),
      extra: { use_remote_address: true, xff_num_trusted_hops: edge.trustedProxies, skip_xff_append: true },
      tracing: tracing(edgeName, traces.collector, traces.samplePercent),
      accessLog: requestLog(placeOf(edgeName).accessLog, edgeName),
      localReply: localReply({
        denied: 'the token holds none of the scopes that %ROUTE_NAME% asks for',
        unknown: 'the edge offers no such RPC',
        grpcWeb: true,
      }),
      filters: [
        corsFilter(),
        grpcWebFilter(),
        noted('Tells each client the trace of its call.', traceHeaderFilter()),
        noted('Verifies tokens; each route says whether it needs one.', tokenFilter(edge.token)),
        noted('Denies by itself; each route says which scopes open it.', denyUnlessRouteAllows()),
        noted('Buckets stand on the routes.', rateLimitFilter()),
        grpcStats(rpcsByService(exposed)),
      ],
      virtualHosts: [
        {
          name: edgeName,
          domains: ['*'],
          typed_per_filter_config: corsPolicy(edge.corsOrigins),
          routes: [
            ...exposed.map(exposedRoute),
            ...builtinRoutes(edge.reflection?.workload),
            unknownRpcRouteWithCors(routeIsOpen()),
          ],
        },
      ],
    }),
  });
}

/**
 * Headers that nobody outside may bring in. Traces begin here: a stranger who could send a traceparent could force sampling and
 * write into others' traces; each response tells its trace instead. Addresses of clients go no further than this.
 */
function strangersHeaders({ trustedProxies }: Edge): string[] {
  const names = ['x-forwarded-client-cert', 'x-forwarded-host', 'x-request-id', 'traceparent', 'tracestate'];
  return trustedProxies === 0 ? [...names, 'x-forwarded-for'] : names;
}

function exposedRoute(method: Method): Noted {
  const access =
    method.exposure === 'AUTHENTICATED'
      ? { ...routeVerifiesToken('required'), ...routeNeedsScope(method.scopes) }
      : { ...routeVerifiesToken('optional'), ...routeIsOpen() };
  const limit = method.rateLimit ? limitPerClient(method.rateLimit) : {};
  return rpcRoute(
    method,
    method.workload,
    { retry_policy: retryPolicy(method) },
    { ...access, ...limit },
    {
      stat_prefix: method.fullName.replace('/', '.'),
    },
  );
}

/** Reflection and health, when a workload answers them. */
function builtinRoutes(workload: string | undefined): Noted[] {
  if (workload === undefined) return [];
  return answeredForTheEdge.map((method) => {
    const limit = method.rateLimit ? limitPerClient(method.rateLimit) : {};
    return rpcRoute(method, workload, { retry_policy: retryPolicy(method) }, { ...routeIsOpen(), ...limit });
  });
}
