/** What concerns an Envoy process as a whole: its name, its admin socket, its statistics and its own limits. */
import type { Method } from '../contract/contract.ts';
import type { Place, Topology } from '../topology/topology.ts';
import { listenAddress } from './address.ts';
import { any, type BlockMap, noted } from './block.ts';
import { statistics } from './statistics.ts';

/** What `weft check` asks for: the bootstrap, without the secrets that other parts of a dump name. */
export const configDumpPath = '/config_dump?mask=bootstrap';

/** The top level of a bootstrap. `called` are the RPCs that go out through it. */
export function bootstrap(
  name: string,
  place: Pick<Place, 'admin'>,
  limits: Topology['limits'],
  resources: { listeners: readonly BlockMap[]; clusters: readonly BlockMap[] },
  called: readonly Method[],
): BlockMap {
  return {
    node: { id: name, cluster: name },
    admin: noted('Statistics, draining and this configuration only; the rest of the admin interface answers 403.', {
      address: listenAddress(place.admin),
      allow_paths: [
        { prefix: '/stats' },
        { exact: '/ready' },
        { exact: configDumpPath },
        { exact: '/healthcheck/fail' },
        { exact: '/healthcheck/ok' },
        { prefix: '/drain_listeners' },
      ],
    }),
    layered_runtime: {
      layers: [
        {
          name: 'static',
          static_layer: noted('Spans leave soon enough to be looked at right after a call.', {
            'tracing.opentelemetry.flush_interval_ms': 500,
            'tracing.opentelemetry.min_flush_spans': 50,
          }),
        },
      ],
    },
    overload_manager: overload(limits),
    stats_config: statistics(called),
    static_resources: { listeners: resources.listeners, clusters: resources.clusters },
  };
}

const overload = ({ maxConnections, maxHeapMb }: Topology['limits']): BlockMap => ({
  refresh_interval: '0.25s',
  resource_monitors: [
    {
      name: 'envoy.resource_monitors.global_downstream_max_connections',
      typed_config: any('extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig', {
        max_active_downstream_connections: maxConnections,
      }),
    },
    {
      name: 'envoy.resource_monitors.fixed_heap',
      typed_config: any('extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig', {
        max_heap_size_bytes: maxHeapMb * 1_048_576,
      }),
    },
  ],
  actions: [
    {
      name: 'envoy.overload_actions.stop_accepting_requests',
      triggers: [{ name: 'envoy.resource_monitors.fixed_heap', threshold: { value: 0.95 } }],
    },
  ],
});
