/**
 * The console: the mesh's own eyes. Takes in spans, asks the Envoys for their statistics, shows both through MeshService, and
 * answers reflection and health in the edge's name. It keeps nothing on disk, and does not trace itself: its own spans would
 * be the news it makes by looking.
 */

import { MeshService } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { exposedServices } from '@weft/gen/weft/exposed.ts';
import { policies } from '@weft/gen/weft/policy.ts';
import { readEnvironment } from '@weft/runtime/environment';
import { configureLog } from '@weft/runtime/log';
import { implement } from '@weft/runtime/server/implement';
import { run } from '@weft/runtime/server/run';
import { serve } from '@weft/runtime/server/serve';
import { readConsoleEnvironment } from './environment.ts';
import { followHealth } from './mesh/health.ts';
import { topologyRpcs } from './mesh/topology.ts';
import { traceRpcs } from './mesh/traces.ts';
import { forwardTo } from './otlp/forward.ts';
import { receiveOtlp } from './otlp/receiver.ts';
import { EnvoyWatcher } from './topology/watcher.ts';
import { spansOf } from './traces/span.ts';
import { TraceStore } from './traces/store.ts';

/** The workload whose Envoy faces those outside. */
const EDGE = 'edge';

await run(async () => {
  const { workload, listen, logLevel } = readEnvironment();
  const { otlpListen, otlpForward, adminSockets } = readConsoleEnvironment();
  configureLog({ workload, level: logLevel });

  const store = new TraceStore();
  const receiver = await receiveOtlp({
    listen: otlpListen,
    onSpans: (resources) => store.add(spansOf(resources)),
    ...(otlpForward === undefined ? {} : { onBody: forwardTo(otlpForward) }),
  });
  const watcher = new EnvoyWatcher(adminSockets);
  const server = await serve({
    workload,
    listen,
    policy: policies,
    services: [implement(MeshService, { ...traceRpcs(store), ...topologyRpcs(watcher, policies) })],
    reflection: exposedServices,
    health: exposedServices,
  });
  followHealth(watcher, server.health, { edge: EDGE, services: exposedServices, policy: policies });
  watcher.start();
  return {
    server,
    async close() {
      watcher.stop();
      await receiver.close();
    },
  };
});
