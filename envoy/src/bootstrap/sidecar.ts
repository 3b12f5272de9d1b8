/** The Envoy beside a service: one listener for its callers, one for the service's own calls. */

import { connectionLog, requestLog } from '../blocks/access-log.ts';
import { type BlockMap, extension, noted } from '../blocks/block.ts';
import { collectorClusterAt, serviceCluster } from '../blocks/clusters.ts';
import { connectionManager, earlyHeaders, grpcStats, listener } from '../blocks/http.ts';
import { localReply } from '../blocks/local-reply.ts';
import { appCluster, edgeName, filters } from '../blocks/names.ts';
import { bootstrap } from '../blocks/process.ts';
import { limitPerWorkload, rateLimitFilter } from '../blocks/rate-limit.ts';
import { type Allowance, callerAllowList } from '../blocks/rbac.ts';
import { retryPolicy } from '../blocks/retry.ts';
import { statName } from '../blocks/statistics.ts';
import { downstreamTls } from '../blocks/tls.ts';
import { tracing } from '../blocks/tracing.ts';
import { calleesOf, callersOf, type Method, pathOf, type Workload } from '../contract/contract.ts';
import { answeredForTheEdge, healthCheck } from './builtin.ts';
import { choicePrefix, choices, chooseVersion, hideChoice } from './canary.ts';
import { clustersBetween, type Mesh } from './mesh.ts';
import { rpcRoute, rpcsByService, sourceOf, unknownRpcRoute } from './route.ts';

/** How long a caller whose certificate has been taken back may go on at most. */
const connectionAgeMs = 600_000;

/** The whole bootstrap of a workload's sidecar. */
export function sidecarBootstrap(mesh: Mesh, workload: Workload): BlockMap {
  const { topology, contract } = mesh;
  const place = topology.placeOf(workload.name);
  const called = calleesOf(contract, workload);
  const callees = [...called.keys()];
  return bootstrap(
    workload.name,
    place,
    topology.limits,
    {
      listeners: [inbound(mesh, workload), outbound(mesh, workload)],
      clusters: [
        serviceCluster(place.app, workload.maxConcurrentRequests),
        ...callees.flatMap((callee) => clustersBetween(mesh, workload.name, callee)),
        collectorClusterAt(topology.tracing.collector),
      ],
    },
    [...called.values()].flat(),
  );
}

/** Lets in the callers that the contract names, to the RPCs that it names. */
function inbound(mesh: Mesh, workload: Workload): BlockMap {
  const { topology } = mesh;
  const place = topology.placeOf(workload.name);
  const name = 'inbound';
  const { all, builtin } = inboundCallers(mesh, workload);
  return listener({
    name,
    address: place.inbound,
    direction: 'INBOUND',
    transportSocket: downstreamTls({ certificates: place.certificates, trustDomain: topology.trustDomain }, all),
    connectionLog: connectionLog(place.accessLog),
    manager: connectionManager({
      name,
      codec: 'HTTP2',
      clientCertificate: 'SANITIZE_SET',
      connectionAgeMs,
      earlyHeaders: earlyHeaders({ prefixes: ['x-envoy-'], names: [] }),
      tracing: tracingOf(mesh, workload),
      accessLog: requestLog(place.accessLog, name),
      localReply: localReply({ denied: '%DOWNSTREAM_PEER_URI_SAN% declares no call to this RPC', grpcWeb: false }),
      filters: [
        noted(
          'Passes health checks to the service, and tells callers at once when this replica drains.',
          healthFilter(),
        ),
        noted('RPC by RPC, the workloads that declare a call to it.', allowList(mesh, workload, builtin)),
        noted('Buckets stand on the routes.', rateLimitFilter()),
      ],
      virtualHosts: [{ name, domains: ['*'], routes: inboundRoutes(mesh, workload, builtin) }],
    }),
  });
}

/** Everyone who may connect, and who may call what no contract declares, by its name. */
function inboundCallers(mesh: Mesh, workload: Workload): { all: string[]; builtin: Map<Builtin, string[]> } {
  const all = new Set<string>();
  for (const method of workload.methods) for (const caller of callersAndEdge(mesh, method)) all.add(caller);
  const answers = mesh.topology.edge.reflection?.workload === workload.name ? answeredForTheEdge : [];
  if (answers.length > 0) all.add(edgeName);
  const sorted = [...all].sort();
  const builtin = new Map<Builtin, string[]>([[healthCheck, sorted]]);
  for (const method of answers) if (method !== healthCheck) builtin.set(method, [edgeName]);
  return { all: sorted, builtin };
}

type Builtin = typeof healthCheck;

/** Sorted. */
function callersAndEdge({ contract }: Mesh, method: Method): string[] {
  const callers = callersOf(contract, method);
  return method.exposure === 'INTERNAL' ? callers : [...callers, edgeName].sort();
}

function allowList(mesh: Mesh, workload: Workload, builtin: Map<Builtin, string[]>): BlockMap {
  const declared: Allowance[] = workload.methods.map((method) => ({
    path: pathOf(method),
    callers: callersAndEdge(mesh, method),
    source: sourceOf(method),
  }));
  const given: Allowance[] = [...builtin].map(([method, callers]) => ({
    path: pathOf(method),
    callers,
    source: sourceOf({}),
  }));
  const called = [...declared, ...given].filter(({ callers }) => callers.length > 0);
  return callerAllowList(mesh.topology.trustDomain, called);
}

function inboundRoutes(mesh: Mesh, workload: Workload, builtin: Map<Builtin, string[]>) {
  const { trustDomain } = mesh.topology;
  const declared = workload.methods.map((method) => {
    const callers = callersOf(mesh.contract, method);
    const limited = method.rateLimit && callers.length > 0;
    const perFilter = limited ? limitPerWorkload(trustDomain, callers, method.rateLimit) : {};
    return rpcRoute(method, appCluster, {}, perFilter);
  });
  const given = [...builtin.keys()].map((method) => rpcRoute(method, appCluster, { priority: 'HIGH' }, {}));
  return [...declared, ...given, unknownRpcRoute(`${workload.name} has no such RPC`)];
}

const healthFilter = (): BlockMap =>
  extension(filters.healthCheck, 'extensions.filters.http.health_check.v3.HealthCheck', {
    pass_through_mode: true,
    headers: [{ name: ':path', string_match: { exact: pathOf(healthCheck) } }],
  });

/** Takes the service's calls, by the callee's name as authority: only those that its RPCs declare. */
function outbound(mesh: Mesh, workload: Workload): BlockMap {
  const place = mesh.topology.placeOf(workload.name);
  const name = 'outbound';
  const callees = calleesOf(mesh.contract, workload);
  const undeclared = `${workload.name} declares no such call`;
  const chosen = choices(mesh.topology, callees.keys());
  const ofChoice = chosen.length > 0 ? [choicePrefix] : [];
  return listener({
    name,
    address: place.outbound,
    direction: 'OUTBOUND',
    manager: connectionManager({
      name,
      codec: 'HTTP2',
      clientCertificate: 'SANITIZE',
      earlyHeaders: earlyHeaders({ prefixes: ['x-envoy-', ...ofChoice], names: [] }, chosen),
      tracing: tracingOf(mesh, workload),
      accessLog: requestLog(place.accessLog, name),
      localReply: localReply({ denied: 'access denied', grpcWeb: false }),
      filters: callees.size > 0 ? [grpcStats(rpcsByService([...callees.values()].flat()))] : [],
      extra: { strip_any_host_port: true },
      virtualHosts: [
        ...[...callees].map(([callee, methods]) => ({
          name: callee,
          domains: [callee],
          routes: [
            ...methods.map((method) => {
              const action = { ...chooseVersion(mesh.topology, callee), retry_policy: retryPolicy(method) };
              return rpcRoute(
                method,
                callee,
                action,
                {},
                {
                  stat_prefix: statName(method),
                  ...hideChoice(mesh.topology, callee),
                },
              );
            }),
            unknownRpcRoute(undeclared),
          ],
        })),
        { name: 'unknown', domains: ['*'], routes: [unknownRpcRoute(undeclared)] },
      ],
    }),
  });
}

const tracingOf = ({ topology }: Mesh, workload: Workload): BlockMap =>
  tracing(`${workload.name}-envoy`, topology.tracing.collector, topology.tracing.samplePercent);
