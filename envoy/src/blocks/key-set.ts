/**
 * Where the edge has the keys of tokens from. Envoy reads a key set's file once, so a file is served by Envoy to itself: a listener
 * answers with it, reads it again when it is replaced, and is asked every second. (An internal listener would need no socket, but
 * keys are fetched by the main thread, where there are none; and only what that thread has fetched stays when it cannot be
 * fetched again.)
 */
import { dirname } from 'node:path/posix';
import type { Address, KeySet } from '../topology/topology.ts';
import { listenAddress } from './address.ts';
import { type BlockMap, extension, noted } from './block.ts';
import { endpoints } from './clusters.ts';

/** The name of the cluster, which no workload can have, and of the listener. */
const name = 'key_set';
const longestBytes = 65_536;

/** The keys, in the words of a token provider. */
export function keysOf(keySet: KeySet): BlockMap {
  const [uri, age] = keySet.kind === 'url' ? [keySet.url, keySet.refreshSeconds] : ['http://keys/', 1];
  return {
    remote_jwks: {
      http_uri: { uri, cluster: name, timeout: '2s' },
      cache_duration: `${age}s`,
      async_fetch: noted('What cannot be fetched is tried again, and the last good keys stay.', {
        failed_refetch_duration: '1s',
      }),
      // The edge opens after the first fetch, well or not, and cannot answer its own before: that one is not to be waited for.
      retry_policy: keySet.kind === 'url' ? retries : undefined,
    },
  };
}

const retries: BlockMap = { num_retries: 2, retry_back_off: { base_interval: '0.1s', max_interval: '0.5s' } };

/** The server of the keys. */
export function keySetCluster(keySet: KeySet): BlockMap {
  const cluster = { name, connect_timeout: '1s' };
  if (keySet.kind === 'url') return { ...cluster, ...tls(keySet), ...endpoints(name, [keySet.server]) };
  return { ...cluster, ...endpoints(name, [keySet.servedAt]) };
}

/** The listener that serves a file; none for an address. */
export function keySetListeners(keySet: KeySet): BlockMap[] {
  if (keySet.kind === 'url') return [];
  const { path, servedAt } = keySet;
  const file = { filename: path, watched_directory: { path: dirname(path) } };
  const routes = [{ match: { prefix: '/' }, direct_response: { status: 200, body: file } }];
  const manager = {
    stat_prefix: name,
    route_config: {
      max_direct_response_body_size_bytes: longestBytes,
      virtual_hosts: [{ name, domains: ['*'], routes }],
    },
    http_filters: [extension('filters.http.router', 'extensions.filters.http.router.v3.Router')],
  };
  const connectionManager = extension(
    'filters.network.http_connection_manager',
    'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    manager,
  );
  return [{ name, address: listenAddress(servedAt), filter_chains: [{ filters: [connectionManager] }] }];
}

/** TLS to a server that has to prove its name. */
function tls({ server, trustedCa }: Extract<KeySet, { kind: 'url' }>): BlockMap {
  if (trustedCa === undefined) return {};
  const isName = !isIpAddress(server);
  return {
    transport_socket: extension('transport_sockets.tls', 'extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      sni: isName ? server.host : undefined,
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
        validation_context: {
          trusted_ca: { filename: trustedCa },
          match_typed_subject_alt_names: [{ san_type: isName ? 'DNS' : 'IP_ADDRESS', matcher: { exact: server.host } }],
        },
      },
    }),
  };
}

const isIpAddress = ({ host }: Extract<Address, { kind: 'tcp' }>): boolean => /^[0-9.]+$/.test(host);
