/** The topologies of a folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { InputError } from '../input-error.ts';
import type { TopologyFile } from './read.ts';

/** A topology's name becomes the name of a folder. */
const namePattern = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;

/** All `<name>.yaml` of `folder`, sorted by name; none without a folder. Throws an InputError when one cannot be read. */
export function topologyFiles(folder: string | undefined): TopologyFile[] {
  if (folder === undefined) return [];
  const names = readFrom(folder, () => readdirSync(folder)).filter((name) => /^\.ya?ml$/.test(extname(name)));
  if (names.length === 0) {
    throw new InputError(
      `${folder} holds no topology. Write one as <name>.yaml, or leave the option \`topologies\` out`,
    );
  }
  return names.sort().map((name) => {
    const file = `${folder}/${name}`;
    if (extname(name) !== '.yaml' || !namePattern.test(basename(name, '.yaml'))) {
      throw new InputError(
        `${file} is no name for a topology. Use lower-case letters, digits and hyphens, and end it in .yaml`,
      );
    }
    return { name: basename(name, '.yaml'), file, text: readFrom(file, () => readFileSync(file, 'utf8')) };
  });
}

function readFrom<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code ?? message})`;
    throw new InputError(`${path} ${why}. Topologies are read relative to the folder in which buf runs`);
  }
}
