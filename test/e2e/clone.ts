/**
 * A copy of this repository as it stands, for tests that change it: what git knows and what it does not ignore, committed anew, with
 * the installed packages by link. Packages of ours resolve into the copy.
 */
import { execFile, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { root } from '../static/support/sources.ts';

export interface Clone {
  readonly folder: string;
  /** Runs a program in it; what it said, and its exit code, null when it did not end by itself. It is killed after five minutes. */
  run(command: string, ...args: string[]): Promise<{ readonly code: number | null; readonly said: string }>;
  /** Makes what npm makes of a new workspace: `node_modules/@weft/<name>`. */
  link(workspace: string): void;
  /** Lines of `git status`, such as ` M docker-compose.yml`. */
  changes(): Promise<string[]>;
  remove(): void;
}

/** Workspaces that stand under their folder's name; `gen/ts` is `@weft/gen`. */
const ours = join('node_modules', '@weft');

export async function cloneRepository(): Promise<Clone> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-clone-'));
  const clone: Clone = {
    folder,
    run: (command, ...args) => runIn(folder, command, args),
    link: (workspace) =>
      symlinkSync(join('..', '..', workspace), join(folder, ours, workspace.split('/').at(-1) ?? '')),
    async changes() {
      const said = await mustRun(clone, 'git', 'status', '--porcelain', '--untracked-files=all');
      return said.split('\n').filter(Boolean);
    },
    remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }),
  };
  try {
    copyFiles(folder);
    linkPackages(folder);
    await mustRun(clone, 'git', 'init', '--quiet');
    await mustRun(clone, 'git', 'add', '--all');
    const author = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];
    await mustRun(clone, 'git', ...author, 'commit', '--quiet', '--message', 'As it stands');
    return clone;
  } catch (error) {
    clone.remove();
    throw error;
  }
}

/** The worker of vitest goes on answering meanwhile. */
function runIn(folder: string, command: string, args: string[]): ReturnType<Clone['run']> {
  const path = [join(folder, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const options = {
    cwd: folder,
    maxBuffer: 64 * 1024 * 1024,
    timeout: 300_000,
    env: { ...environment(), PATH: path },
  };
  return new Promise((resolve) => {
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      const why = error !== null && child.exitCode === null ? error.message : '';
      resolve({ code: child.exitCode, said: `${stdout}${stderr}${why}` });
    });
  });
}

/** Runs a program that must succeed; what it said. */
export async function mustRun(clone: Clone, command: string, ...args: string[]): Promise<string> {
  const { code, said } = await clone.run(command, ...args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${said}`);
  return said;
}

function copyFiles(folder: string): void {
  const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (listed.status !== 0) throw new Error(`git ls-files: ${listed.error?.message ?? listed.stderr}`);
  const made = new Set<string>();
  for (const name of listed.stdout.split('\0').filter(Boolean)) {
    const target = join(folder, name);
    if (!made.has(dirname(target))) mkdirSync(dirname(target), { recursive: true });
    made.add(dirname(target));
    try {
      copyFileSync(join(root, name), target);
    } catch (error) {
      // Known to git and removed from the folder: not there as things stand.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

/** Links to each installed package; those of ours, and the programs of packages, lead into the copy. */
function linkPackages(folder: string): void {
  const [from, to] = [join(root, 'node_modules'), join(folder, 'node_modules')];
  mkdirSync(to);
  for (const name of readdirSync(from)) {
    // A cache is written to.
    if (name === '.cache') continue;
    if (name === '@weft' || name === '.bin') copyLinks(join(from, name), join(to, name));
    else symlinkSync(join(from, name), join(to, name));
  }
}

/** Relative links mean another file in another folder, which is what they are wanted for. */
function copyLinks(from: string, to: string): void {
  mkdirSync(to);
  for (const name of readdirSync(from)) symlinkSync(readlinkSync(join(from, name)), join(to, name));
}

/** A run of vitest within a run of vitest must not take itself for the outer one. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|WEFT_|NODE_OPTIONS$)/.test(name)),
  );
}
