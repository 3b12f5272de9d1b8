/** For tests of a workload as a process: its main function in a Node of its own, with nothing but the environment it is given. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { checkout } from '../paths.ts';

export interface WorkloadProcess {
  readonly child: ChildProcess;
  /** Exit code, or the signal that ended it. */
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>;
  /** What it has logged so far. */
  readonly lines: readonly { readonly level: string; readonly message: string }[];
}

/** Starts services/<workload>. It is killed when the test is over. */
export function startWorkload(workload: string, environment: Record<string, string>): WorkloadProcess {
  const child = spawn(process.execPath, [join(checkout, 'services', workload, 'src', 'main.ts')], {
    env: { PATH: process.env.PATH ?? '', OTEL_SDK_DISABLED: 'true', WEFT_WORKLOAD: workload, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const lines: { level: string; message: string }[] = [];
  createInterface(child.stderr).on('line', (line) => lines.push(JSON.parse(line)));
  return { child, exited, lines };
}
