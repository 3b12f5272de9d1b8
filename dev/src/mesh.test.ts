/** The life of a whole mesh: several are started here, on free ports and in folders of their own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { policies } from '@weft/gen/weft/policy.ts';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Failure } from './failure.ts';
import { startMark } from './identity.ts';
import { type LedgerEntry, readLedger } from './leftovers.ts';
import { type Mesh, startMesh } from './mesh.ts';
import { checkout } from './paths.ts';
import { silentProgress } from './progress.ts';
import { ledgerFile } from './supervisor.ts';
import { scratchFolder } from './testing/scratch.ts';
import { waitFor } from './wait.ts';

const workloads = new Set(Object.values(policies).map(({ workload }) => workload));
const everyProcess = [
  ...['edge', 'postgres', 'web'],
  ...[...workloads].flatMap((workload) => [workload, `${workload}-sidecar`]),
].toSorted();

/** A mesh that is closed when the test has finished, whatever happened. */
async function mesh(stateFolder: string): Promise<Mesh> {
  const started = await startMesh({ stateFolder, ports: 'free', progress: silentProgress() }).catch((error) => {
    throw error instanceof Failure ? new Error(error.explain()) : error;
  });
  onTestFinished(() => started.close());
  return started;
}

/** Whether a public RPC is answered through the edge. */
async function answers(edgeUrl: string): Promise<boolean> {
  const response = await fetch(`${edgeUrl}/weft.inventory.v1.ItemService/ListItems`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"pageSize": 1}',
    signal: AbortSignal.timeout(3000),
  });
  return response.ok;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** `npm start` in a process of its own, as dev/start.mjs runs it. */
function npmStart(stateFolder: string, ...flags: string[]): { child: ChildProcess; output: () => string } {
  const main = join(checkout, 'dev', 'src', 'main.ts');
  const child = spawn(process.execPath, [main, '--ports', 'free', ...flags], {
    env: { ...process.env, WEFT_STATE: stateFolder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  return { child, output: () => text };
}

const ended = (child: ChildProcess) =>
  waitFor('the end of npm start', () => (child.exitCode ?? child.signalCode) !== null, { withinMs: 60_000 });
const alive = (entries: readonly LedgerEntry[]) =>
  entries.filter(({ pid, mark }) => startMark(pid) === mark).map(({ name }) => name);
const runs = (output: () => string) => waitFor('the mesh', () => output().includes('Weft runs'), { withinMs: 90_000 });

describe('a mesh', () => {
  test('that was stopped leaves no process, no port and no socket, and keeps what it should', async () => {
    const folder = scratchFolder();
    const it = await mesh(folder);
    expect([...it.pids().keys()].toSorted()).toEqual(everyProcess);
    expect(await answers(it.edgeUrl)).toBe(true);
    const started = readLedger(ledgerFile(folder));
    expect(started.map(({ name }) => name).toSorted()).toEqual(everyProcess);
    await it.close();
    expect(alive(started)).toEqual([]);
    for (const port of Object.values(it.ports)) expect(await listens(port)).toBe(false);
    const left = ['certs', 'envoy', 'jwks.json', 'logs', 'postgres', 'secrets', 'supervisor.lock'];
    expect(readdirSync(folder).toSorted()).toEqual(left);
  }, 120_000);

  test('listens on loopback only, and its sockets are for their owner', async () => {
    const folder = scratchFolder();
    const it = await mesh(folder);
    const modes = execFileSync('find', [join(folder, 'run'), '-type', 's', '-perm', '/077'], { encoding: 'utf8' });
    expect(modes).toBe('');
    if (process.platform !== 'linux') return;
    const ports = new Set(Object.values(it.ports).map((port) => port.toString(16).toUpperCase().padStart(4, '0')));
    const listening = `${readFileSync('/proc/net/tcp', 'utf8')}${readFileSync('/proc/net/tcp6', 'utf8')}`
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local = '', , state]) => state === '0A' && ports.has(local.split(':')[1] ?? ''));
    expect(listening).toHaveLength(ports.size);
    for (const [, local] of listening) expect(local).toMatch(/^0100007F:/);
  }, 120_000);

  test('brings up again whatever is killed in it', async () => {
    const it = await mesh(scratchFolder());
    for (const name of ['inventory', 'inventory-sidecar', 'edge', 'postgres']) {
      const before = it.pids().get(name);
      await it.kill(name);
      await waitFor(`another ${name}`, () => it.pids().get(name) !== before && it.pids().has(name), {
        withinMs: 20_000,
      });
      await it.ready(name);
      await waitFor(`answers after ${name} was killed`, () => answers(it.edgeUrl), { withinMs: 20_000 });
    }
  }, 120_000);

  test('answers every call while a workload is restarted', async () => {
    const it = await mesh(scratchFolder());
    let stop = false;
    let answered = 0;
    const failures: unknown[] = [];
    const calls = (async () => {
      while (!stop) {
        const ok = await answers(it.edgeUrl).catch((error) => error);
        if (ok === true) answered += 1;
        else failures.push(ok);
        // Slower than the rate that a stranger may have.
        await delay(50);
      }
    })();
    await it.restart('console');
    await it.stop('pricing');
    await it.start('pricing');
    stop = true;
    await calls;
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(10);
  }, 120_000);
});

describe('npm start', () => {
  test('stops in order on SIGINT, and a second start is warm', async () => {
    const folder = scratchFolder();
    const first = npmStart(folder, '--no-order');
    await runs(first.output);
    const started = readLedger(ledgerFile(folder));
    first.child.kill('SIGINT');
    await ended(first.child);
    expect(first.child.exitCode).toBe(0);
    expect(alive(started)).toEqual([]);
    const second = npmStart(folder, '--no-order');
    await runs(second.output);
    expect(second.output()).toMatch(/Migrations \(none missing\)[\s\S]*Sample shop \(as it was left\)/);
    second.child.kill('SIGTERM');
    await ended(second.child);
  }, 240_000);

  test('killed outright leaves nothing running, and the next start begins where it was', async () => {
    const folder = scratchFolder();
    const first = npmStart(folder, '--no-order');
    await runs(first.output);
    const started = readLedger(ledgerFile(folder));
    expect(alive(started).toSorted()).toEqual(everyProcess);
    first.child.kill('SIGKILL');
    await waitFor('the end of all', () => alive(started).length === 0, { withinMs: 20_000 });
    const second = npmStart(folder, '--no-order');
    await runs(second.output);
    second.child.kill('SIGINT');
    await ended(second.child);
    expect(second.child.exitCode).toBe(0);
  }, 240_000);

  test('a second one on the same state is refused in words, and the first goes on', async () => {
    const folder = scratchFolder();
    const it = await mesh(folder);
    const second = npmStart(folder);
    await ended(second.child);
    expect(second.child.exitCode).toBe(1);
    expect(second.output()).toMatch(/already runs[\s\S]*is in use by process \d+[\s\S]*→ Stop it with Ctrl-C/);
    const reset = npmStart(folder, '--reset');
    await ended(reset.child);
    expect(reset.child.exitCode).toBe(1);
    expect(existsSync(join(folder, 'postgres'))).toBe(true);
    expect(await answers(it.edgeUrl)).toBe(true);
  }, 120_000);

  test('stopped while it starts leaves nothing', async () => {
    const folder = scratchFolder();
    const first = npmStart(folder);
    await waitFor('the first processes', () => readLedger(ledgerFile(folder)).length >= 2, {
      withinMs: 60_000,
      everyMs: 5,
    });
    const started = readLedger(ledgerFile(folder));
    first.child.kill('SIGINT');
    await ended(first.child);
    expect(first.child.exitCode).toBe(130);
    expect(alive(started)).toEqual([]);
    expect(readLedger(ledgerFile(folder))).toEqual([]);
  }, 120_000);
});
