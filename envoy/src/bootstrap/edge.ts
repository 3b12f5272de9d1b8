/** The Envoy at the edge: the one door from outside, for gRPC, gRPC-Web and Connect alike. */
import { requestLog } from '../blocks/access-log.ts';
import { type BlockMap, type Noted, noted } from '../blocks/block.ts';
import { corsFilter, corsPolicy, grpcWebFilter, traceHeaderFilter } from '../blocks/browser.ts';
import { collectorClusterAt } from '../blocks/clusters.ts';
import { connectionManager, earlyHeaders, grpcStats, listener } from '../blocks/http.ts';
import { keySetCluster, keySetListeners } from '../blocks/key-set.ts';
import { localReply, originalTypeHeader } from '../blocks/local-reply.ts';
import { edgeName } from '../blocks/names.ts';
import { bootstrap } from '../blocks/process.ts';
import { limitPerClient, rateLimitFilter } from '../blocks/rate-limit.ts';
import { denyUnlessRouteAllows, routeIsOpen, routeNeedsScope } from '../blocks/rbac.ts';
import { retryPolicy } from '../blocks/retry.ts';
import { statName } from '../blocks/statistics.ts';
import { strangersHeaders, strangersPrefixes } from '../blocks/strangers.ts';
import { routeVerifiesToken, tokenFilter } from '../blocks/token.ts';
import { tracing } from '../blocks/tracing.ts';
import { exposedMethods, type Method } from '../contract/contract.ts';
import { answeredForTheEdge } from './builtin.ts';
import { choices, chooseVersion, hideChoice, steeringHeaders } from './canary.ts';
import { clustersBetween, type Mesh } from './mesh.ts';
import { rpcRoute, rpcsByService, unknownRpcRouteWithCors } from './route.ts';

/** The whole bootstrap of the edge. */
export function edgeBootstrap(mesh: Mesh): BlockMap {
  const { topology, contract } = mesh;
  const callees = new Set(exposedMethods(contract).keys());
  if (topology.edge.reflection) callees.add(topology.edge.reflection.workload);
  const { keySet } = topology.edge.token;
  return bootstrap(
    edgeName,
    topology.placeOf(edgeName),
    topology.limits,
    {
      listeners: [door(mesh), ...keySetListeners(keySet)],
      clusters: [
        ...[...callees].flatMap((callee) => clustersBetween(mesh, edgeName, callee)),
        keySetCluster(keySet),
        collectorClusterAt(topology.tracing.collector),
      ],
    },
    [...exposedMethods(contract).values()].flat(),
  );
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
      earlyHeaders: earlyHeaders({ prefixes: strangersPrefixes, names: strangersHeaders(edge.trustedProxies) }, [
        [originalTypeHeader, '%REQ(content-type)%'],
        ...choices(mesh.topology, exposedMethods(mesh.contract).keys()),
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
          typed_per_filter_config: corsPolicy(edge.corsOrigins, steeringHeaders(mesh.topology)),
          routes: [
            ...exposed.map((method) => exposedRoute(mesh, method)),
            ...builtinRoutes(edge.reflection?.workload),
            unknownRpcRouteWithCors(routeIsOpen()),
          ],
        },
      ],
    }),
  });
}

function exposedRoute({ topology }: Mesh, method: Method): Noted {
  const access =
    method.exposure === 'AUTHENTICATED'
      ? { ...routeVerifiesToken('required'), ...routeNeedsScope(method.scopes) }
      : { ...routeVerifiesToken('optional'), ...routeIsOpen() };
  const limit = method.rateLimit ? limitPerClient(method.rateLimit) : {};
  return rpcRoute(
    method,
    method.workload,
    { ...chooseVersion(topology, method.workload), retry_policy: retryPolicy(method) },
    { ...access, ...limit },
    {
      stat_prefix: statName(method),
      ...hideChoice(topology, method.workload),
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
