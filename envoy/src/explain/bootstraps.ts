/** The generated bootstraps of one mesh, and the ways to the pieces of them that keep a promise. */

import { appCluster, edgeName, filters } from '../blocks/names.ts';
import type { Mesh } from '../bootstrap/mesh.ts';
import { renderBootstraps } from '../bootstrap/render.ts';
import { type Fragment, FragmentFile, type Path } from './fragments.ts';

/** Which of a workload's listeners. */
export type Door = 'inbound' | 'outbound' | 'edge';

export class Bootstraps {
  readonly #files = new Map<string, FragmentFile>();
  readonly #texts: ReadonlyMap<string, { file: string; text: string }>;

  /** `out` is the folder below which the compiler writes, put before the names of files. */
  constructor(mesh: Mesh, out: string) {
    const prefix = `envoy/${mesh.topology.name}/`;
    this.#texts = new Map(
      renderBootstraps(mesh)
        .filter(({ name }) => name.startsWith(prefix) && name.endsWith('.yaml'))
        .map(({ name, content }) => [
          name.slice(prefix.length, -'.yaml'.length),
          { file: out === '.' ? name : `${out}/${name}`, text: content },
        ]),
    );
  }

  /** The route of an RPC, or what stands below it. */
  route(workload: string, door: Door, host: string, rpc: string, ...below: Path): Fragment {
    return this.#file(workload).at([...toManager(door), ...toRoute(host, rpc), ...below]);
  }

  /** What catches calls that no route knows. */
  unknownRoute(workload: string, door: Door): Fragment {
    return this.route(workload, door, door === 'outbound' ? 'unknown' : door, 'unknown');
  }

  /** The bucket of a route, if it has one. */
  rateLimit(workload: string, door: Door, rpc: string): Fragment | undefined {
    const key = `envoy.${filters.localRateLimit}`;
    return this.#file(workload).find([...toManager(door), ...toRoute(door, rpc), 'typed_per_filter_config', key]);
  }

  /** What a route of the edge asks of a token. */
  tokenOfRoute(rpc: string): Fragment {
    return this.route(edgeName, 'edge', edgeName, rpc, 'typed_per_filter_config', `envoy.${filters.jwt}`);
  }

  scopesOfRoute(rpc: string): Fragment {
    return this.route(edgeName, 'edge', edgeName, rpc, 'typed_per_filter_config', `envoy.${filters.rbac}`);
  }

  /** Whose tokens the edge believes. */
  tokenIssuer(): Fragment {
    const filter = [...toManager('edge'), 'http_filters', { name: `envoy.${filters.jwt}` }];
    return this.#file(edgeName).at([...filter, 'typed_config', 'providers', 'issuer']);
  }

  /** The policy of an RPC in a callee's allow-list, or the whole list when it has none. */
  allowList(workload: string, rpc: string): Fragment {
    const policies: Path = [
      ...toManager('inbound'),
      'http_filters',
      { name: `envoy.${filters.rbac}` },
      'typed_config',
      'rules',
      'policies',
    ];
    const file = this.#file(workload);
    return file.find([...policies, rpc]) ?? file.at(policies);
  }

  /** Who may connect to a workload's sidecar. */
  peersOfListener(workload: string): Fragment {
    const chain: Path = ['static_resources', 'listeners', { name: 'inbound' }, 'filter_chains', 0];
    return this.#file(workload).at([...chain, 'transport_socket', 'typed_config', ...toPeers]);
  }

  /** Whom a caller expects at the other end. */
  peerOfCluster(caller: string, callee: string): Fragment {
    return this.cluster(caller, callee, 'transport_socket', 'typed_config', ...toPeers);
  }

  cluster(workload: string, cluster: string, ...below: Path): Fragment {
    return this.#file(workload).at(['static_resources', 'clusters', { name: cluster }, ...below]);
  }

  /** How much a service works on at once. */
  concurrency(workload: string): Fragment {
    return this.cluster(workload, appCluster, 'circuit_breakers');
  }

  listener(workload: string, door: Door): Fragment {
    return this.#file(workload).at(['static_resources', 'listeners', { name: door }, 'address']);
  }

  /** The setting of a listener's connection manager. */
  manager(workload: string, door: Door, ...below: Path): Fragment {
    return this.#file(workload).at([...toManager(door), ...below]);
  }

  #file(workload: string): FragmentFile {
    const known = this.#files.get(workload);
    if (known) return known;
    const source = this.#texts.get(workload);
    if (!source) throw new Error(`there is no bootstrap of ${workload}`);
    const file = new FragmentFile(source.file, source.text);
    this.#files.set(workload, file);
    return file;
  }
}

const toManager = (door: Door): Path => [
  'static_resources',
  'listeners',
  { name: door },
  'filter_chains',
  0,
  'filters',
  0,
  'typed_config',
];
const toRoute = (host: string, rpc: string): Path => [
  'route_config',
  'virtual_hosts',
  { name: host },
  'routes',
  { name: rpc },
];
const toPeers: Path = [
  'common_tls_context',
  'combined_validation_context',
  'default_validation_context',
  'match_typed_subject_alt_names',
];
