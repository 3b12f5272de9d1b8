/** Builds the web page when its sources have changed since the last time, in a folder beside, and swaps it in whole. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from './failure.ts';
import { checkout } from './paths.ts';
import type { Note } from './progress.ts';

const run = promisify(execFile);
const sources = [
  'web/index.html',
  'web/vite.config.ts',
  'web/src',
  'web/public',
  'gen/ts',
  'values',
  'package-lock.json',
];
const dist = join(checkout, 'web', 'dist');
/** In the folder that it describes, so that one cannot be there without the other; the server does not serve dot files. */
const stampName = '.built-from';

/** Builds web/dist unless it is what the sources say. Throws Failure with Vite's words. */
export async function buildPage(note: Note = () => {}): Promise<void> {
  const stamp = fingerprint();
  if ((await readFile(join(dist, stampName), 'utf8').catch(() => '')) === stamp) {
    note('as built before');
    return;
  }
  const workshop = join(checkout, '.weft');
  await mkdir(workshop, { recursive: true });
  const folder = await mkdtemp(join(workshop, 'page-'));
  try {
    const vite = join(checkout, 'node_modules', 'vite', 'bin', 'vite.js');
    await run(process.execPath, [vite, 'build', '--outDir', join(folder, 'new'), '--logLevel', 'warn'], {
      cwd: join(checkout, 'web'),
      env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production' },
      timeout: 180_000,
    });
    await writeFile(join(folder, 'new', stampName), stamp);
    if (existsSync(dist)) await rename(dist, join(folder, 'old'));
    await rename(join(folder, 'new'), dist);
  } catch (cause) {
    const words = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : String(cause);
    throw new Failure('The web page could not be built', {
      why: withoutStack(words),
      remedy: 'Mend what Vite names and start again.',
      cause,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first lines of an error report, without the frames of Vite's own code. */
function withoutStack(report: string): string {
  const lines = report.split('\n').filter((line) => line.trim() !== '' && !/^\s+at /.test(line));
  return lines.slice(0, 12).join('\n');
}

/** One hash over the names and contents of all that the page is built from. */
function fingerprint(): string {
  const hash = createHash('sha256');
  for (const source of sources) {
    for (const file of filesIn(join(checkout, source))) {
      hash.update(`${relative(checkout, file)}\n`).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

function filesIn(path: string): string[] {
  if (!existsSync(path)) return [];
  try {
    return readdirSync(path, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts') && !entry.name.endsWith('.test.tsx'))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !file.includes('node_modules'))
      .sort();
  } catch {
    // A file, not a folder.
    return [path];
  }
}
