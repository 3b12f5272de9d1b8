/** The contract of the folder in which a command runs: built by buf, understood by the compiler, with the texts that it writes. */
import { resolve } from 'node:path';
import type { Mesh } from '../bootstrap/mesh.ts';
import { type Understood, understand } from '../compile.ts';
import { didYouMean, nearest } from '../nearest.ts';
import { topologyFiles } from '../topology/folder.ts';
import type { TopologyFile } from '../topology/read.ts';
import { type Arguments, type Option, UsageError } from './command.ts';
import { buildDescriptors } from './descriptors.ts';
import { type GenerateConfig, readGenerateConfig } from './generate-config.ts';

/** A contract and where it came from. */
export interface Workspace extends Understood {
  readonly folder: string;
  readonly config: GenerateConfig;
  /** The compiler's topologies, by the names that messages give them. */
  readonly topologies: readonly TopologyFile[];
}

/** Options of every command that reads a workspace. */
export const workspaceOptions = {
  input: {
    type: 'string',
    value: 'FOLDER',
    multiple: true,
    about: 'The folder of the protos, instead of the inputs of buf.gen.yaml.',
  },
  'source-root': { type: 'string', value: 'FOLDER', about: "Instead of the plugin's option source_root." },
  topologies: { type: 'string', value: 'FOLDER', about: "Instead of the plugin's option topologies." },
} as const satisfies Record<string, Option>;

/** Reads the contract of `folder`. Throws a UsageError or a ContractError. */
export function readWorkspace(folder: string, args: Arguments): Workspace {
  const config = configuredFor(folder, args);
  return { ...understandFolder(folder, config), folder, config };
}

/** The contract whose files stand below `folder`, read as `config` says. Throws a UsageError or a ContractError. */
export function understandFolder(
  folder: string,
  { inputs, options: { topologies: path, sourceRoot } }: GenerateConfig,
): Understood & Pick<Workspace, 'topologies'> {
  const topologies = topologiesOf(folder, path);
  return { ...understand({ ...buildDescriptors(folder, inputs), sourceRoot, topologies }), topologies };
}

/** What buf.gen.yaml says of the compiler, with what the arguments say over it. */
export function configuredFor(folder: string, args: Arguments): GenerateConfig {
  const config = readGenerateConfig(folder);
  const inputs = args.texts('input');
  return {
    out: config.out,
    inputs: inputs.length > 0 ? inputs : config.inputs,
    options: {
      ...config.options,
      sourceRoot: args.text('source-root') ?? config.options.sourceRoot,
      topologies: args.text('topologies') ?? config.options.topologies,
    },
  };
}

/** The topologies of a folder, by the names that messages give them. Throws a UsageError when they cannot be read. */
function topologiesOf(folder: string, path: string | undefined): TopologyFile[] {
  if (path === undefined) return [];
  try {
    return topologyFiles(resolve(folder, path)).map((topology) => ({
      ...topology,
      file: `${path}/${topology.name}.yaml`,
    }));
  } catch (error) {
    throw new UsageError(`the topologies cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The mesh of the topology of this name; without a name `local`, else the first. Throws a UsageError when there is none. */
export function chooseMesh({ meshes }: Pick<Workspace, 'meshes'>, name: string | undefined): Mesh {
  const names = meshes.map(({ topology }) => topology.name);
  const mesh = meshes.find(({ topology }) => topology.name === (name ?? 'local')) ?? (name ? undefined : meshes[0]);
  if (mesh) return mesh;
  if (name === undefined || names.length === 0) {
    throw new UsageError('there is no topology; set the option topologies of the plugin in buf.gen.yaml');
  }
  const hint = didYouMean(nearest(name, names));
  throw new UsageError(`there is no topology "${name}"${hint} There are ${names.join(', ')}`);
}
