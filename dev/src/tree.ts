// Compares two folders of generated files and makes the second like the first.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** One file that is not the same in both folders. */
export interface Difference {
  path: string;
  kind: 'missing' | 'changed' | 'stale';
}

/** What would have to happen to `actual` so that it holds what `expected` holds; paths in `keep` are left out. Sorted. */
export function compareTrees(expected: string, actual: string, keep: readonly string[]): Difference[] {
  const wanted = filesBelow(expected);
  const present = filesBelow(actual);
  const differences: Difference[] = [];
  for (const path of wanted) {
    if (!present.has(path)) differences.push({ path, kind: 'missing' });
    else if (!readFileSync(join(expected, path)).equals(readFileSync(join(actual, path)))) {
      differences.push({ path, kind: 'changed' });
    }
  }
  for (const path of present) if (!wanted.has(path) && !keep.includes(path)) differences.push({ path, kind: 'stale' });
  return differences.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Applies `differences`, as found by `compareTrees(from, to, …)`, to the folder `to`. */
export function syncTrees(from: string, to: string, differences: readonly Difference[]): void {
  for (const { path, kind } of differences) {
    const target = join(to, path);
    if (kind === 'stale') {
      rmSync(target);
      continue;
    }
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, readFileSync(join(from, path)));
  }
}

function filesBelow(folder: string): Set<string> {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    return new Set(entries.filter((e) => e.isFile()).map((e) => relative(folder, join(e.parentPath, e.name))));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Set();
    throw error;
  }
}
