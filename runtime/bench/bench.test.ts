// The benchmark with next to no rounds: whether all comparators still answer, and all tables are whole. Nothing is timed.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { cases } from './all-cases.ts';
import { markdown, summary } from './report.ts';
import { DEFAULT_SETTINGS, type Settings } from './settings.ts';
import { median, ratioOf } from './statistics.ts';
import { endWorkers } from './workers.ts';

const PROGRAM = fileURLToPath(new URL('rpc.ts', import.meta.url));
const TINY: Settings = {
  ...DEFAULT_SETTINGS,
  rounds: 1,
  roundMs: 30,
  warmUpMs: 30,
  warmUpCalls: 30,
  callers: 4,
  connections: 2,
  progress: () => {},
};

/** Forty processes start here, all from the same files. */
const cache = mkdtempSync(join(tmpdir(), 'weft-bench-'));
beforeAll(() => {
  vi.stubEnv('NODE_COMPILE_CACHE', cache);
});
afterEach(endWorkers);
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});

/** The first cells of a case's tables, after every cell was found to be filled. */
async function rowsOf(name: string, settings: Partial<Settings> = {}): Promise<string[]> {
  const found = cases.find((one) => one.name === name);
  const result = await found?.run({ ...TINY, ...settings });
  const tables = result?.tables ?? [];
  for (const { head, rows } of tables) {
    for (const row of rows) {
      expect(row).toHaveLength(head.length);
      expect(row.join(' ')).not.toMatch(/NaN|Infinity|undefined/);
    }
  }
  const together = result === undefined ? undefined : summary([result]);
  expect(together === undefined ? '' : markdown(together)).not.toContain('NaN');
  return tables.flatMap(({ rows }) => rows.map(([first = '']) => first));
}

test.each([
  ['server-grpc', ['ours', 'connect-node', 'grpc-js', 'bare', 'bare-our-codec']],
  ['server-connect-json', ['ours', 'connect-node', 'bare', 'bare-our-codec']],
  ['client-grpc', ['ours', 'connect-node', 'grpc-js', 'bare', 'bare-our-codec']],
  ['client-connect-json', ['ours', 'connect-node-json']],
])('%s: all comparators answer rightly', async (name, rows) => {
  expect(await rowsOf(name)).toEqual(rows);
});

test('server-latency: an open loop at a fixed rate is answered', async () => {
  expect(await rowsOf('server-latency')).toEqual(['ours', 'grpc-js', 'bare']);
});

test('server-streams and client-streams: every message of a stream is counted', async () => {
  const only = new Set(['grpc-js']);
  const rows = ['10 messages a stream', '500 messages a stream'];
  expect(await rowsOf('server-streams', { only })).toEqual(rows);
  expect(await rowsOf('client-streams', { only })).toEqual(rows);
});

test('server-sizes: messages beyond the windows of flow control arrive', async () => {
  expect(await rowsOf('server-sizes', { only: new Set() })).toHaveLength(5);
});

test('server-memory: connections and calls are kept open', async () => {
  expect(await rowsOf('server-memory', { only: new Set(['grpc-js']) })).toEqual(['ours', 'grpc-js']);
});

test('server-built-ins: rules, refusals and interceptors are met', async () => {
  const only = ['rules checked', '1 interceptor', 'refused by the catalogue'];
  expect(await rowsOf('server-built-ins', { only: new Set(only) })).toEqual(['plain', ...only]);
});

test('server-telemetry: spans arrive where the traces are sampled, and only there', async () => {
  const found = cases.find((one) => one.name === 'server-telemetry');
  const result = await found?.run({ ...TINY, only: new Set(['not sampled', 'all sampled']) });
  const notes = result?.tables.flatMap((table) => table.notes ?? []).join('\n');
  expect(notes).toContain('all sampled: 100 %');
  expect(notes).not.toContain('not sampled');
});

test.each([
  [['--case', 'nope'], 'server-grpc'],
  [['--only', 'nope'], 'connect-node'],
  [['--rounds', '0'], '1 to 1000'],
  [['--profile', 'server-grpc:nope'], 'grpc-js'],
  [['--base', 'nope'], 'checkout'],
  [['--nope'], '--list'],
])('%s is refused with what there is', (args, named) => {
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
  expect(stderr).toContain(named);
  expect(stderr).not.toContain(' at ');
  expect(status).toBe(2);
});

test.each(['SIGINT', 'SIGKILL'] as const)('all processes end with the one that started them, by %s', async (signal) => {
  const program = spawn(process.execPath, [PROGRAM, '--case', 'server-grpc', '--only', 'bare'], { stdio: 'ignore' });
  const children = await vi.waitFor(
    () => {
      const pids = childrenOf(program);
      expect(pids.length).toBeGreaterThanOrEqual(3);
      return pids;
    },
    { timeout: 10_000, interval: 100 },
  );
  program.kill(signal);
  await once(program, 'exit');
  await vi.waitFor(() => expect(children.filter(isAlive)).toEqual([]), { timeout: 10_000, interval: 100 });
});

test('the arithmetic of the tables', () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  expect(ratioOf([10, 30, 20], [10, 10, 5])).toEqual({ median: 3, min: 1, max: 4 });
});

function childrenOf({ pid }: ChildProcess): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [child, parent] = line.trim().split(/\s+/).map(Number);
    return parent === pid && child !== undefined ? [child] : [];
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
