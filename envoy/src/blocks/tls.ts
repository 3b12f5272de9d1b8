/**
 * Mutual TLS. Identity and trust come as files below the workload's certificate folder, where `current` is a symlink: swapping it
 * rotates both at once, and Envoy notices because it watches the folder.
 */
import { type Block, type BlockMap, extension, noted } from './block.ts';
import { spiffeId } from './names.ts';

interface Identity {
  readonly certificates: string;
  readonly trustDomain: string;
}

/** For a listener that only the given workloads may connect to. */
export const downstreamTls = (identity: Identity, callers: readonly string[]): BlockMap =>
  extension('transport_sockets.tls', 'extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
    require_client_certificate: true,
    common_tls_context: commonTls(identity, callers),
  });

/** For a cluster that has to be the given workload. */
export const upstreamTls = (identity: Identity, callee: string): BlockMap =>
  extension('transport_sockets.tls', 'extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
    sni: callee,
    common_tls_context: commonTls(identity, [callee]),
  });

function commonTls({ certificates, trustDomain }: Identity, peers: readonly string[]): BlockMap {
  return {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    alpn_protocols: ['h2'],
    tls_certificate_sds_secret_configs: [secret('identity', certificates)],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: noted(
          'Who may be at the other end.',
          peers.map((peer): Block => ({ san_type: 'URI', matcher: { exact: spiffeId(trustDomain, peer) } })),
        ),
      },
      validation_context_sds_secret_config: secret('trust', certificates),
    },
  };
}

const secret = (name: 'identity' | 'trust', certificates: string): BlockMap => ({
  name,
  sds_config: {
    resource_api_version: 'V3',
    path_config_source: {
      path: `${certificates}/current/${name}.yaml`,
      watched_directory: { path: certificates },
    },
  },
});
