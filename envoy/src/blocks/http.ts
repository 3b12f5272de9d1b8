/** Listeners and the connection manager in them: what all doors have in common, and what callers may not bring in. */
import type { Address } from '../topology/topology.ts';
import { isLoopback, listenAddress } from './address.ts';
import { type Block, type BlockMap, extension, type Noted, noted, seconds } from './block.ts';
import { filters } from './names.ts';

const bufferBytes = 1_048_576;

interface Door {
  readonly name: string;
  readonly address: Address;
  readonly direction: 'INBOUND' | 'OUTBOUND';
  readonly transportSocket?: BlockMap;
  readonly connectionLog?: readonly BlockMap[];
  readonly manager: BlockMap;
}

/** A listener with one connection manager. */
export const listener = ({ name, address, direction, transportSocket, connectionLog, manager }: Door): BlockMap => ({
  name,
  address: listenAddress(address),
  traffic_direction: direction,
  enable_reuse_port: isLoopback(address)
    ? noted(
        'By default two Envoys that start at once would share the port in silence, and each get half of the calls.',
        false,
      )
    : undefined,
  per_connection_buffer_limit_bytes: bufferBytes,
  access_log:
    connectionLog && noted('Says why handshakes fail; the other end only learns that they did.', connectionLog),
  filter_chains: [
    {
      transport_socket: transportSocket,
      transport_socket_connect_timeout: '5s',
      filters: [
        extension(
          'filters.network.http_connection_manager',
          'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
          manager,
        ),
      ],
    },
  ],
});

interface Manager {
  readonly name: string;
  readonly codec: 'AUTO' | 'HTTP2';
  readonly tracing: BlockMap;
  readonly accessLog: readonly BlockMap[];
  readonly localReply: Noted;
  readonly earlyHeaders: Noted;
  readonly clientCertificate: 'SANITIZE' | 'SANITIZE_SET';
  /** Longest life of a connection; its streams may end. Absent: unlimited. */
  readonly connectionAgeMs?: number;
  readonly extra?: BlockMap;
  readonly filters: readonly Block[];
  readonly virtualHosts: readonly Block[];
}

/** The settings of a connection manager. */
export const connectionManager = (manager: Manager): BlockMap => ({
  stat_prefix: manager.name,
  codec_type: manager.codec,
  http2_protocol_options: {
    max_concurrent_streams: 256,
    initial_stream_window_size: 262_144,
    initial_connection_window_size: 1_048_576,
    connection_keepalive: { interval: '30s', timeout: '10s' },
  },
  common_http_protocol_options: {
    headers_with_underscores_action: 'REJECT_REQUEST',
    max_headers_count: 100,
    max_connection_duration:
      manager.connectionAgeMs === undefined
        ? undefined
        : noted(
            'Handshakes are repeated, so that a certificate that is no longer good does not live on.',
            seconds(manager.connectionAgeMs),
          ),
  },
  max_request_headers_kb: 32,
  request_headers_timeout: '10s',
  normalize_path: true,
  path_with_escaped_slashes_action: 'REJECT_REQUEST',
  internal_address_config: noted('Nobody is internal: x-envoy-* headers of callers steer nothing.', {
    cidr_ranges: [],
  }),
  forward_client_cert_details: manager.clientCertificate,
  set_current_client_cert_details: manager.clientCertificate === 'SANITIZE_SET' ? { uri: true } : undefined,
  ...manager.extra,
  early_header_mutation_extensions: manager.earlyHeaders,
  tracing: manager.tracing,
  access_log: manager.accessLog,
  local_reply_config: manager.localReply,
  http_filters: [...manager.filters, router()],
  route_config: { name: manager.name, virtual_hosts: manager.virtualHosts },
});

/**
 * Runs before anything reads the headers: removes what only the mesh itself may say, and makes Connect's timeout one that Envoy
 * knows. (Without connect-timeout-ms the added value is `m`, which counts as malformed, hence as absent.)
 */
export function earlyHeaders(
  removed: { prefixes: readonly string[]; names: readonly string[] },
  added: readonly (readonly [key: string, value: string])[] = [],
): Noted {
  const mutations: Block[] = [
    ...removed.prefixes.map((prefix) => ({ remove_on_match: { key_matcher: { prefix } } })),
    ...removed.names.map((name) => ({ remove: name })),
    ...[...added, ['grpc-timeout', '%REQ(connect-timeout-ms)%m'] as const].map(([key, value]) => ({
      append: { header: { key, value }, append_action: 'ADD_IF_ABSENT' },
    })),
  ];
  return noted('What a caller may not say, and the deadline of Connect clients in the words of gRPC.', [
    extension(
      'http.early_header_mutation.header_mutation',
      'extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation',
      { mutations },
    ),
  ]);
}

/** Counts calls by callee, RPC and status, for the RPCs of the contract only. */
export const grpcStats = (rpcs: ReadonlyMap<string, readonly string[]>): BlockMap =>
  extension(filters.grpcStats, 'extensions.filters.http.grpc_stats.v3.FilterConfig', {
    individual_method_stats_allowlist: {
      services: [...rpcs].map(([name, methods]) => ({ name, method_names: methods })),
    },
    enable_upstream_stats: true,
  });

const router = (): BlockMap =>
  extension(filters.router, 'extensions.filters.http.router.v3.Router', { suppress_envoy_headers: true });
