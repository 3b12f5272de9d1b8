import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Failure } from './failure.ts';
import { signal, startMark } from './identity.ts';
import { endLeftovers } from './leftovers.ts';
import type { ProcessSpec } from './process.ts';
import { ledgerFile, Supervisor } from './supervisor.ts';
import { scratchFolder } from './testing/scratch.ts';
import { waitFor } from './wait.ts';

/** Whether a process has written down its pid, all of it: a file is there before it holds anything. */
const hasWritten = (file: string) => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n');

/** A process that writes its pid to `<name>.up` when it runs, then lives until told otherwise. */
function sleeper(folder: string, name: string, program = ''): ProcessSpec {
  const up = join(folder, `${name}.up`);
  const source = `${program}; require('fs').appendFileSync(${JSON.stringify(up)}, process.pid + '\\n'); setInterval(() => {}, 1000)`;
  return {
    name,
    command: process.execPath,
    args: ['-e', source],
    env: { PATH: process.env.PATH ?? '' },
    cwd: folder,
    logFile: join(folder, `${name}.log`),
    stopSignal: 'SIGTERM',
    stopGraceMs: 5000,
    ready: (signal) => waitFor('the file', () => hasWritten(up), { withinMs: 10_000, signal }),
    readyTimeoutMs: 10_000,
  };
}

function supervisor(folder: string): { supervisor: Supervisor; reports: string[] } {
  const reports: string[] = [];
  const made = new Supervisor({ stateFolder: folder, report: (line) => reports.push(line) });
  onTestFinished(async () => {
    made.killAll();
    await made.end();
  });
  return { supervisor: made, reports };
}

const gone = (pid: number) =>
  waitFor(`the end of process ${pid}`, () => startMark(pid) === undefined, { withinMs: 15_000 });

describe('a process that crashes', () => {
  test('is started again, and the report says how it ended and where its log is', async () => {
    const folder = scratchFolder();
    const { supervisor: it, reports } = supervisor(folder);
    await it.start(sleeper(folder, 'fragile', 'console.error("last words")'));
    const first = it.pid('fragile');
    it.kill('fragile');
    await waitFor('another process', () => it.pid('fragile') !== undefined && it.pid('fragile') !== first, {
      withinMs: 10_000,
    });
    expect(reports[0]).toContain('fragile ended by SIGKILL');
    expect(reports[0]).toContain('last words');
    expect(reports[0]).toContain(join(folder, 'fragile.log'));
  });

  test('waits longer each time', async () => {
    const folder = scratchFolder();
    const { supervisor: it, reports } = supervisor(folder);
    await it.start(sleeper(folder, 'hopeless', 'setTimeout(() => process.exit(7), 200)'));
    const crashes = () => reports.filter((line) => line.includes('ended with code 7'));
    await waitFor('three crashes', () => crashes().length >= 3, { withinMs: 20_000 });
    expect(crashes().map((line) => /again in ([\d.]+) s/.exec(line)?.[1])).toEqual(['0.25', '0.5', '1']);
  });

  test('before it was ready fails the start, with its last words', async () => {
    const folder = scratchFolder();
    const { supervisor: it } = supervisor(folder);
    const failure = await it
      .start(sleeper(folder, 'stillborn', 'console.error("no such table"); process.exit(3)'))
      .catch((error) => error);
    expect(failure).toBeInstanceOf(Failure);
    expect(failure.explain()).toMatch(
      /stillborn did not start[\s\S]*with code 3[\s\S]*no such table[\s\S]*stillborn\.log/,
    );
    expect(it.pid('stillborn')).toBeUndefined();
  });
});

test('a process that does not get ready in time fails the start and is ended', async () => {
  const folder = scratchFolder();
  const { supervisor: it } = supervisor(folder);
  const spec = { ...sleeper(folder, 'slow'), ready: () => new Promise(() => {}), readyTimeoutMs: 300 };
  await expect(it.start(spec)).rejects.toThrow('slow did not start');
  expect(it.pid('slow')).toBeUndefined();
});

test('a command that does not exist fails the start and names it', async () => {
  const folder = scratchFolder();
  const { supervisor: it } = supervisor(folder);
  const failure = await it.start({ ...sleeper(folder, 'absent'), command: '/nowhere/envoy' }).catch((error) => error);
  expect(failure).toBeInstanceOf(Failure);
  expect(failure.why).toContain('/nowhere/envoy');
});

test('a process that ignores its signal is killed after its grace, and the report says so', async () => {
  const folder = scratchFolder();
  const { supervisor: it, reports } = supervisor(folder);
  await it.start({ ...sleeper(folder, 'deaf', 'process.on("SIGTERM", () => {})'), stopGraceMs: 200 });
  await it.stop('deaf');
  expect(it.pid('deaf')).toBeUndefined();
  expect(reports.join()).toContain('deaf did not stop in time and was killed');
});

test('a stop during the pause before a restart leaves the process down', async () => {
  const folder = scratchFolder();
  const { supervisor: it, reports } = supervisor(folder);
  await it.start(sleeper(folder, 'paused'));
  it.kill('paused');
  await waitFor('the report', () => reports.length > 0, { withinMs: 5000 });
  await it.stop('paused');
  expect(it.pid('paused')).toBeUndefined();
  await it.startAgain('paused');
  expect(it.pid('paused')).toBeDefined();
});

describe('when the supervisor itself is killed', () => {
  /** Runs a supervisor with one child in a process of its own; returns both pids and the guardian's. */
  async function victim(
    folder: string,
    program = '',
  ): Promise<{ supervisorPid: number; childPid: number; guardianPid: number }> {
    const script = join(folder, 'victim.mjs');
    const module = fileURLToPath(new URL('./supervisor.ts', import.meta.url));
    const { ready: _ready, ...spec } = sleeper(folder, 'orphan', program);
    writeFileSync(
      script,
      `const { Supervisor } = await import(${JSON.stringify(module)});
       const it = new Supervisor({ stateFolder: ${JSON.stringify(folder)}, report: console.log });
       await it.start({ ...${JSON.stringify(spec)}, ready: async () => {} });
       console.log('started');`,
    );
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    const supervisorPid = child.pid ?? 0;
    const up = join(folder, 'orphan.up');
    await waitFor('the child', () => hasWritten(up), { withinMs: 15_000 });
    const childPid = Number(readFileSync(up, 'utf8').trim());
    onTestFinished(() => void signal(-childPid, 'SIGKILL'));
    const guardianPid = childrenOf(supervisorPid).find((pid) => pid !== childPid);
    if (guardianPid === undefined) throw new Error('the supervisor has no guardian');
    return { supervisorPid, childPid, guardianPid };
  }

  const childrenOf = (pid: number) =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

  /** Nothing for a process that has ended meanwhile. */
  function commandLine(pid: number): string[] {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return [];
    }
  }

  test.runIf(process.platform === 'linux')('nothing that it started is left, though a child is deaf', async () => {
    const { supervisorPid, childPid, guardianPid } = await victim(scratchFolder(), 'process.on("SIGTERM", () => {})');
    process.kill(supervisorPid, 'SIGKILL');
    await Promise.all([gone(childPid), gone(guardianPid)]);
  });

  test.runIf(process.platform === 'linux')('with its guardian, the next run ends what is left', async () => {
    const folder = scratchFolder();
    const { supervisorPid, childPid, guardianPid } = await victim(folder);
    // The supervisor first would let the guardian do its work; stopped, it cannot replace the guardian either.
    process.kill(supervisorPid, 'SIGSTOP');
    process.kill(guardianPid, 'SIGKILL');
    process.kill(supervisorPid, 'SIGKILL');
    await gone(supervisorPid);
    expect(startMark(childPid)).toBeDefined();
    expect(await endLeftovers(ledgerFile(folder))).toEqual(['orphan']);
    expect(startMark(childPid)).toBeUndefined();
    expect(existsSync(ledgerFile(folder))).toBe(false);
  });

  test.runIf(process.platform === 'linux')('after its guardian was killed, another one has taken over', async () => {
    const { supervisorPid, childPid, guardianPid } = await victim(scratchFolder());
    process.kill(guardianPid, 'SIGKILL');
    // It is one from the moment on when it runs as one: a child that was forked and not yet become the shell guards nothing.
    const guards = (pid: number) => pid !== guardianPid && commandLine(pid).includes(`${childPid}:TERM`);
    await waitFor('another guardian', () => childrenOf(supervisorPid).some(guards), { withinMs: 15_000 });
    process.kill(supervisorPid, 'SIGKILL');
    await gone(childPid);
  });
});

test('a ledger entry whose pid belongs to another process by now is left alone', async () => {
  const folder = scratchFolder();
  const file = ledgerFile(folder);
  writeFileSync(
    file,
    JSON.stringify([{ name: 'old', pid: process.pid, mark: 'another boot 1', stopSignal: 'SIGKILL' }]),
  );
  expect(await endLeftovers(file)).toEqual([]);
});
