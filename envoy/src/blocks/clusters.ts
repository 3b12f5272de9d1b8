/** Clusters: the service behind its sidecar, the callees of a workload, and the collector of traces. */
import type { Workload } from '../contract/contract.ts';
import type { Address } from '../topology/topology.ts';
import { dialAddress, isNamed } from './address.ts';
import { any, type BlockMap, extension, noted, seconds } from './block.ts';
import { appCluster, collectorCluster } from './names.ts';

/** Streams of one connection; more calls at once open another one. */
const streamsPerConnection = 256;
const bufferBytes = 1_048_576;

/** The service itself: refuses what exceeds its concurrency limit. */
export const serviceCluster = (address: Address, maxConcurrentRequests: number): BlockMap => ({
  name: appCluster,
  connect_timeout: '1s',
  per_connection_buffer_limit_bytes: bufferBytes,
  typed_extension_protocol_options: http2(),
  circuit_breakers: {
    thresholds: [
      {
        max_requests: maxConcurrentRequests,
        max_connections: 8,
        max_pending_requests: maxConcurrentRequests,
        track_remaining: true,
      },
      noted('Health checks, which have to get through to a service that is merely busy.', {
        priority: 'HIGH',
        max_requests: 64,
      }),
    ],
  },
  ...endpoints(appCluster, [address]),
});

/**
 * Another workload: spoken to over mTLS, checked, and left alone for a while when it fails. While none of `addresses` is healthy,
 * calls go to `spares`.
 */
export function calleeCluster(
  callee: Workload,
  addresses: readonly Address[],
  transportSocket: BlockMap,
  spares: readonly Address[] = [],
): BlockMap {
  const { consecutiveFailures, baseEjectionTimeMs } = callee.outlierEjection;
  return {
    name: callee.name,
    connect_timeout: '1s',
    per_connection_buffer_limit_bytes: bufferBytes,
    lb_policy: 'LEAST_REQUEST',
    typed_extension_protocol_options: http2(),
    circuit_breakers: {
      thresholds: [
        {
          max_requests: 16_384,
          max_connections: 1024,
          max_pending_requests: 16_384,
          // At most p of the calls under way are retries, so an outage multiplies the load by at most 1 + p / (1 - p): 1.18. The
          // minimum is for callers with few calls under way, who could else repeat nothing when a replica dies; what it adds is little.
          retry_budget: noted(
            'Retries are at most a share of the calls under way, so that they do not make an outage worse.',
            {
              budget_percent: { value: 15 },
              min_retry_concurrency: 8,
            },
          ),
          track_remaining: true,
        },
      ],
    },
    outlier_detection: {
      consecutive_5xx: consecutiveFailures,
      consecutive_gateway_failure: consecutiveFailures,
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 3,
      interval: '1s',
      base_ejection_time: seconds(baseEjectionTimeMs),
      max_ejection_percent: 50,
    },
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
    health_checks: noted('Also what makes a draining replica lose its callers before it stops.', [
      {
        timeout: '1s',
        interval: '1s',
        interval_jitter: '0.1s',
        no_traffic_interval: '1s',
        unhealthy_interval: '0.5s',
        unhealthy_threshold: 2,
        healthy_threshold: 1,
        grpc_health_check: { service_name: '' },
      },
    ]),
    transport_socket: transportSocket,
    ...endpoints(callee.name, addresses, spares),
  };
}

/** Where spans go, over HTTP/1.1. */
export const collectorClusterAt = (collector: Address): BlockMap => ({
  name: collectorCluster,
  connect_timeout: '1s',
  ...endpoints(collectorCluster, [collector]),
});

/** Names are looked up again and again, so that replicas come and go; addresses are taken as they are. */
export function endpoints(name: string, addresses: readonly Address[], spares: readonly Address[] = []): BlockMap {
  const group = (members: readonly Address[]) => ({
    lb_endpoints: members.map((address) => ({ endpoint: { address: dialAddress(address) } })),
  });
  return {
    ...([...addresses, ...spares].some(isNamed) ? { cluster_type: lookedUp } : { type: 'STATIC' }),
    load_assignment: {
      cluster_name: name,
      endpoints: [group(addresses), ...(spares.length > 0 ? [{ priority: 1, ...group(spares) }] : [])],
    },
  };
}

const lookedUp = extension('clusters.dns', 'extensions.clusters.dns.v3.DnsCluster', {
  dns_lookup_family: 'V4_PREFERRED',
  dns_refresh_rate: '2s',
});

const http2 = (): BlockMap => ({
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any('extensions.upstreams.http.v3.HttpProtocolOptions', {
    explicit_http_config: {
      http2_protocol_options: {
        max_concurrent_streams: streamsPerConnection,
        connection_keepalive: { interval: '30s', timeout: '5s' },
      },
    },
  }),
});
