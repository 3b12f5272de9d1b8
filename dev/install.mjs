/**
 * What `npm start` and `npm test` do before anything else: check the machine, install the dependencies when they are
 * missing or older than the lockfile, and find the Node that the project is written for. It leans on nothing but
 * Node 20, since nothing is installed yet when it runs.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const checkout = dirname(dirname(fileURLToPath(import.meta.url)));

const oldestNode = 20;
const projectNode = 26;

/** A sentence for the person at the terminal, and what they can do; printed without a stack. */
export class SetupError extends Error {
  constructor(message, remedy) {
    super(message);
    this.remedy = remedy;
  }
}

/**
 * Checks Node, installs dependencies when needed, and returns the path of a Node that is new enough for the sources.
 * Throws SetupError with what to do.
 */
export async function prepare(say = (line) => process.stdout.write(`${line}\n`)) {
  if (majorOf(process.versions.node) < oldestNode) {
    throw new SetupError(
      `Node ${process.versions.node} is too old to begin with.`,
      `Install Node ${oldestNode} or newer; the project brings its own Node ${projectNode} from npm.`,
    );
  }
  const reason = staleness(join(checkout, 'package-lock.json'), join(checkout, 'node_modules', '.package-lock.json'));
  if (reason !== undefined) await install(reason, say);
  return findNode();
}

/**
 * Why node_modules does not hold what the lockfile asks for, or undefined when it does. Compares contents, not times:
 * a checkout of another branch changes times without changing what is needed.
 */
export function staleness(lockfile, installedLockfile) {
  if (!existsSync(installedLockfile)) return 'dependencies are not installed';
  const wanted = JSON.parse(readFileSync(lockfile, 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedLockfile, 'utf8')).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.startsWith('node_modules/') && !path.includes('/node_modules/')) continue;
    const found = installed[path];
    if (found === undefined) {
      if (entry.optional || entry.peer || entry.devOptional) continue;
      return `${nameOf(path)} is not installed`;
    }
    if (found.version !== entry.version || found.integrity !== entry.integrity) {
      return `${nameOf(path)} differs from the lockfile`;
    }
  }
  return undefined;
}

function nameOf(path) {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

async function install(reason, say) {
  const [command, ...before] = npmCommand();
  const started = performance.now();
  // No install script of a dependency is needed (dev/src/postgres-binaries.ts makes PostgreSQL's links itself), so none is run.
  const args = [...before, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const child = spawn(command, args, { cwd: checkout, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      output = (output + text).slice(-4000);
    });
  }
  const stopWaiting = showWaiting(`Installing npm packages (${reason})`, say);
  const failure = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : `it ended with ${signal ?? `code ${code}`}`),
    );
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  stopWaiting();
  if (failure !== undefined) {
    throw new SetupError(
      `npm ci failed after ${seconds} s: ${failure}\n${output.trimEnd()}`,
      'Check that npm works and reaches its registry (`npm ping`), then run the command again.',
    );
  }
  say(`  ✓ npm packages installed  ${seconds} s`);
}

/** npm as it was started (`npm start` tells), else the one on PATH. */
function npmCommand() {
  const self = process.env.npm_execpath;
  if (self?.endsWith('.js') && existsSync(self)) return [process.execPath, self];
  if (spawnSync('npm', ['--version'], { stdio: 'ignore' }).status === 0) return ['npm'];
  throw new SetupError('npm was not found.', 'Install npm (it comes with Node) and run the command again.');
}

/** Shows that something is going on: a moving line on a terminal, else a line every 15 s. Returns what ends it. */
function showWaiting(title, say) {
  const started = performance.now();
  const elapsed = () => `${Math.round((performance.now() - started) / 1000)} s`;
  if (process.stdout.isTTY) {
    const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
    let frame = 0;
    const timer = setInterval(() => {
      process.stdout.write(`\r\x1b[2K  ${frames[frame++ % frames.length]} ${title}  ${elapsed()}`);
    }, 100);
    return () => {
      clearInterval(timer);
      process.stdout.write('\r\x1b[2K');
    };
  }
  say(`  … ${title}`);
  const timer = setInterval(() => say(`  … ${title}  ${elapsed()}`), 15_000);
  return () => clearInterval(timer);
}

/** The project's Node from npm, else the running one when it is new enough. */
function findNode() {
  const folder = join(checkout, 'node_modules');
  const platform = `${process.platform}-${process.arch}`;
  // The registry has the package for Apple silicon under another name.
  const packaged = ['node-', 'node-bin-'].map((name) => join(folder, name + platform, 'bin', 'node')).find(existsSync);
  if (packaged !== undefined) {
    const answer = spawnSync(packaged, ['--version'], { encoding: 'utf8' });
    if (answer.status === 0 && majorOf(answer.stdout.trim().slice(1)) >= projectNode) {
      linkNode(packaged, join(folder, '.bin', 'node'));
      return packaged;
    }
  }
  if (majorOf(process.versions.node) >= projectNode) return process.execPath;
  throw new SetupError(
    `The sources need Node ${projectNode}, and npm has no Node ${projectNode} package that runs on ${process.platform} ${process.arch}.`,
    `Install Node ${projectNode} or newer from your package manager and run the command again.`,
  );
}

/** npm 10 does not link the program of this package; with the link, `node` in every npm script is the project's. */
function linkNode(packaged, link) {
  if (existsSync(link)) return;
  try {
    symlinkSync(relative(dirname(link), packaged), link);
  } catch {
    // An installation that belongs to somebody else: what we start ourselves needs no link.
  }
}

function majorOf(version) {
  return Number.parseInt(version, 10);
}

/**
 * Runs a program in the foreground and returns its exit code. Signals are passed on, though Ctrl-C also reaches the program from
 * the terminal itself. The IPC channel tells the program when this process is gone.
 */
export async function runInForeground(command, args, options = {}) {
  const child = spawn(command, args, { cwd: checkout, stdio: ['inherit', 'inherit', 'inherit', 'ipc'], ...options });
  const forward = (signal) => child.kill(signal);
  const passedOn = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of passedOn) process.on(signal, forward);
  const parent = process.ppid;
  // npm that is killed outright passes no signal on; its child then gets another parent.
  const orphaned = setInterval(() => {
    if (process.env.npm_lifecycle_event !== undefined && process.ppid !== parent) child.kill('SIGTERM');
  }, 1000);
  orphaned.unref();
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 1));
    });
  } finally {
    clearInterval(orphaned);
    for (const signal of passedOn) process.off(signal, forward);
  }
}

/** Prints an error of the preparation as a person can act on it. */
export function explain(error) {
  process.stderr.write(`\n  ✗ ${error.message}\n`);
  if (error instanceof SetupError) process.stderr.write(`    ${error.remedy}\n`);
  else process.stderr.write(`${error.stack}\n`);
}
