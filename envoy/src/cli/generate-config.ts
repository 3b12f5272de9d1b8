/** What `buf.gen.yaml` says of the compiler: its input, its options and where its output goes, so that nothing is said twice. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { type PluginOptions, parseOptions } from '../plugin-options.ts';
import { UsageError } from './command.ts';

/** The compiler's part of a generation. */
export interface GenerateConfig {
  /** Folders of buf modules, as buf's `inputs` name them; one `.` when there are none. */
  readonly inputs: readonly string[];
  /** The plugin's `out`, below which it writes. */
  readonly out: string;
  readonly options: PluginOptions;
}

const fileName = 'buf.gen.yaml';

interface PluginEntry {
  readonly local?: string | readonly string[];
  readonly out?: string;
  readonly opt?: string | readonly string[];
}

/** Reads `buf.gen.yaml` of a folder. Throws a UsageError when it is missing or does not run the compiler. */
export function readGenerateConfig(folder: string): GenerateConfig {
  const path = join(folder, fileName);
  if (!existsSync(path)) {
    throw new UsageError(`there is no ${fileName} here; run weft in the folder where you run \`buf generate\``);
  }
  const config = readYaml(path);
  const entry = (config.plugins ?? []).find(isTheCompiler);
  if (!entry) {
    throw new UsageError(
      `${fileName} runs no protoc-gen-envoy; add \`- local: protoc-gen-envoy\` with \`strategy: all\` to its plugins`,
    );
  }
  const opt = typeof entry.opt === 'string' ? entry.opt : (entry.opt ?? []).join(',');
  const inputs = (config.inputs ?? []).map(({ directory }) => {
    if (directory !== undefined) return directory;
    throw new UsageError(`${fileName} has an input that is no directory, which weft does not read`);
  });
  return { inputs: inputs.length > 0 ? inputs : ['.'], out: entry.out ?? '.', options: parseOptions(opt) };
}

interface Config {
  readonly inputs?: readonly { readonly directory?: string }[];
  readonly plugins?: readonly PluginEntry[];
}

function readYaml(path: string): Config {
  try {
    return (parse(readFileSync(path, 'utf8')) ?? {}) as Config;
  } catch (error) {
    throw new UsageError(`${fileName} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** By the program's name, or by the plugin's source when it is run with node. */
function isTheCompiler({ local }: PluginEntry): boolean {
  const command = typeof local === 'string' ? [local] : (local ?? []);
  return command.some((part) => basename(part) === 'protoc-gen-envoy' || /(^|\/)plugin\.ts$/.test(part));
}
