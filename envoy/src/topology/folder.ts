/** The topologies of a folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import type { TopologyFile } from './read.ts';

/** All `<name>.yaml` of `folder`, sorted by name; none without a folder. */
export function topologyFiles(folder: string | undefined): TopologyFile[] {
  if (folder === undefined) return [];
  const names = readdirSync(folder).filter((name) => extname(name) === '.yaml');
  return names.sort().map((name) => {
    const file = `${folder}/${name}`;
    return { name: basename(name, '.yaml'), file, text: readFileSync(file, 'utf8') };
  });
}
