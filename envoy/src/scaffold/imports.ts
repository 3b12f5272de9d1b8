/** Import lines of scaffolded code, and where the generated code is from there. */
import { posix } from 'node:path';
import type { Names } from './names.ts';
import type { Repository } from './repository.ts';

/** From which module which names; `type X` for types. */
export type Imports = readonly (readonly [from: string, ...names: string[]])[];

/** One line each, in the order given; one that is too long gets a line for each name. */
export function importLines(imports: Imports): string {
  return imports
    .map(([from, ...names]) => {
      const line = `import ${names.length === 1 && names[0]?.startsWith('type ') ? bare(names[0]) : `{ ${names.join(', ')} }`} from '${from}';`;
      return line.length <= 120 ? line : `import {\n${names.map((name) => `  ${name},\n`).join('')}} from '${from}';`;
    })
    .join('\n');
}

/** Packages by name, and relative modules from the farthest to the nearest behind them: the order that Biome keeps. */
export const sortedModules = (...modules: Imports[number][]): Imports =>
  modules.toSorted(([a], [b]) => {
    if (a.startsWith('.') !== b.startsWith('.')) return a.startsWith('.') ? 1 : -1;
    return a < b ? -1 : 1;
  });

/** A single type: `import type { X }`. */
const bare = (name: string): string => `type { ${name.slice('type '.length)} }`;

/** The module of a service's generated messages, as a file in `folder` imports it. */
export const messagesModule = (names: Names, repository: Repository, folder: string): string =>
  generatedModule(
    posix.join(repository.messages.folder, names.protoPath.replace(/\.proto$/, repository.messages.suffix)),
    repository,
    folder,
  );

/** The policy table, as a file in `folder` imports it. */
export const policyModule = (repository: Repository, folder: string): string =>
  generatedModule(repository.policyTable, repository, folder);

function generatedModule(path: string, { messages }: Repository, folder: string): string {
  const below = posix.relative(messages.folder, path);
  if (messages.packageName !== undefined && !below.startsWith('..')) return `${messages.packageName}/${below}`;
  return posix.relative(folder, path);
}
