/** The one mesh that all end-to-end tests of a run share, on free ports and in a folder of its own, with the sample shop in it. */
import type { Mesh } from '../mesh.ts';
import { silentProgress } from '../progress.ts';

/** What a test needs to know of the mesh; plain data, since it crosses to another process. */
export interface MeshDescription {
  stateFolder: string;
  edgeUrl: string;
  webUrl: string;
  otlpUrl: string;
  databases: Record<string, string>;
  /** Names of the processes, for `kill` and its like. */
  processes: string[];
}

const verbs = ['kill', 'stop', 'start', 'restart', 'ready'] as const;

export class SharedMesh {
  readonly #stateFolder: string;
  #mesh: Promise<Mesh> | undefined;

  constructor(stateFolder: string) {
    this.#stateFolder = stateFolder;
  }

  async describe(): Promise<MeshDescription> {
    const mesh = await this.#start();
    return {
      stateFolder: mesh.stateFolder,
      edgeUrl: mesh.edgeUrl,
      webUrl: mesh.webUrl,
      otlpUrl: mesh.otlpUrl,
      databases: Object.fromEntries(mesh.databases),
      processes: mesh.processes,
    };
  }

  /** Does something to a process of the mesh, by name. */
  async act(verb: string, name: string): Promise<void> {
    const known = verbs.find((candidate) => candidate === verb);
    if (known === undefined) throw new Error(`a mesh can ${verbs.join(', ')}, not ${verb}`);
    const mesh = await this.#start();
    await mesh[known](name);
  }

  async stop(): Promise<void> {
    const mesh = await this.#mesh?.catch(() => undefined);
    await mesh?.close();
  }

  #start(): Promise<Mesh> {
    this.#mesh ??= this.#launch();
    return this.#mesh;
  }

  async #launch(): Promise<Mesh> {
    // Loaded only here: most runs of a few tests need no mesh.
    const [{ startMesh }, { seed }] = await Promise.all([import('../mesh.ts'), import('../seed.ts')]);
    const progress = silentProgress();
    const mesh = await startMesh({ stateFolder: this.#stateFolder, ports: 'free', progress });
    try {
      await seed(mesh, progress);
      return mesh;
    } catch (error) {
      await mesh.close();
      throw error;
    }
  }
}
