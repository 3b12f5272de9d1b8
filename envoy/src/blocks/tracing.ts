/** Traces over OTLP/HTTP. Spans carry the RPC's name; a trace that was sampled upstream is sampled here. */

import type { Address } from '../topology/topology.ts';
import { any, type BlockMap, extension } from './block.ts';
import { collectorCluster } from './names.ts';

/** The `tracing` of a connection manager. */
export function tracing(serviceName: string, collector: Address, samplePercent: number): BlockMap {
  const host = collector.kind === 'tcp' ? `${collector.host}:${collector.port}` : 'localhost';
  return {
    spawn_upstream_span: false,
    random_sampling: { value: 100 },
    operation: '%ROUTE_NAME%',
    custom_tags: [
      { tag: 'rpc.system', literal: { value: 'grpc' } },
      { tag: 'rpc.route', value: '%ROUTE_NAME%' },
      { tag: 'weft.peer', value: '%DOWNSTREAM_PEER_URI_SAN%' },
      // In place of Envoy's own: a query may hold a message (Connect's GET), and a client's address is personal.
      { tag: 'http.url', value: '%PATH(NQ)%' },
      { tag: 'peer.address', literal: { value: '-' } },
    ],
    provider: extension('tracers.opentelemetry', 'config.trace.v3.OpenTelemetryConfig', {
      service_name: serviceName,
      http_service: {
        http_uri: { uri: `http://${host}/v1/traces`, cluster: collectorCluster, timeout: '1s' },
      },
      sampler: sampler('parent_based', 'ParentBasedSamplerConfig', {
        wrapped_sampler: sampler('trace_id_ratio_based', 'TraceIdRatioBasedSamplerConfig', {
          sampling_percentage: { numerator: Math.round(samplePercent * 10_000), denominator: 'MILLION' },
        }),
      }),
    }),
  };
}

const sampler = (name: string, type: string, fields: BlockMap): BlockMap => ({
  name: `envoy.tracers.opentelemetry.samplers.${name}`,
  typed_config: any(`extensions.tracers.opentelemetry.samplers.v3.${type}`, fields),
});
