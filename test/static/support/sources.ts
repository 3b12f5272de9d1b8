/** The sources of the repository, for the tests that read them: every file but what is generated, installed or built. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Folders that hold nothing written by hand, by name or by path from the root. */
const skippedNames = new Set(['.git', '.weft', 'node_modules', 'dist', 'test-results']);
const isGenerated = (path: string): boolean =>
  path.startsWith('gen/') || /^services\/[^/]+\/prisma\/client\//.test(path);

export interface Source {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** All files whose names end in one of `endings`, sorted by path. */
export function sources(...endings: string[]): Source[] {
  return walk(root)
    .map((file) => relative(root, file).split(sep).join('/'))
    .filter((path) => endings.some((ending) => path.endsWith(ending)) && !isGenerated(path))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** TypeScript and JavaScript. */
export const scripts = (): Source[] => sources('.ts', '.tsx', '.mts', '.mjs', '.js');

/** Whether a file is a test or serves only tests; the rules for what ships do not hold there. */
export const servesTests = ({ path }: Pick<Source, 'path'>): boolean =>
  /\.test\.tsx?$|(^|\/)(test|testing)\/|(^|\/)testing\.ts$|(^|\/)vitest[^/]*\.ts$/.test(path);

/** What a file imports, as written: static, dynamic and type imports, and re-exports. */
export function importsOf({ text }: Pick<Source, 'text'>): string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const found = code.matchAll(
    /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm,
  );
  return [...found].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '');
}

function walk(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    if (skippedNames.has(name)) return [];
    const path = join(folder, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) return [];
    return found.isDirectory() ? walk(path) : [path];
  });
}
