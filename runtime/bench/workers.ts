/**
 * The processes of a benchmark: each server, each client and the load are one of their own, so that CPU time tells them
 * apart. They are asked by IPC, and all end with this process, however it ends.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What a process can be asked, by name. */
export type Commands = { readonly [name: string]: (argument: never) => unknown };

/** Asks a process; `C` is what it answers to. */
export type Worker<C extends Commands> = {
  readonly name: string;
  ask<Name extends keyof C & string>(
    name: Name,
    ...argument: Parameters<C[Name]>
  ): Promise<Awaited<ReturnType<C[Name]>>>;
  end(): Promise<void>;
};

export type WorkerRequest = { readonly id: number; readonly name: string; readonly argument: unknown };
export type WorkerReply = { readonly id: number; readonly value?: unknown; readonly error?: string };

/** Where a process starts, and with what. */
export type WorkerOptions = {
  /** The module in this folder that it runs: it exports `start`. */
  readonly module: string;
  /** Given to `start`. */
  readonly options?: unknown;
  readonly env?: Readonly<Record<string, string>>;
  readonly execArgv?: readonly string[];
};

const ENTRY = fileURLToPath(new URL('worker.ts', import.meta.url));
const running = new Set<ChildProcess>();

/** Starts a process and waits until it can be asked. */
export async function startWorker<C extends Commands>(name: string, options: WorkerOptions): Promise<Worker<C>> {
  const child = fork(ENTRY, [options.module, JSON.stringify(options.options ?? {})], {
    execArgv: ['--disable-warning=ExperimentalWarning', ...(options.execArgv ?? [])],
    env: { ...plainEnvironment(), ...options.env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  running.add(child);
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let said = '';
  let ending = false;
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk).slice(-4_000);
  });
  const exited = new Promise<void>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child);
      for (const { reject } of waiting.values()) {
        reject(new Error(`${name} ended (${signal ?? code})${ending ? '' : `:\n${said}`}`));
      }
      waiting.clear();
      resolve();
    });
  });
  child.on('message', (reply: WorkerReply) => {
    const asker = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.error === undefined) {
      asker?.resolve(reply.value);
    } else {
      asker?.reject(new Error(`${name}: ${reply.error}`));
    }
  });
  let lastId = 0;
  const send = (command: string, argument: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      child.send({ id: lastId, name: command, argument } satisfies WorkerRequest, (error) => {
        if (error !== null) {
          reject(new Error(`${name} cannot be asked: ${error.message}\n${said}`));
        }
      });
    });
  const worker: Worker<C> = {
    name,
    // What comes back is what the module's own function returned, copied.
    ask: (command, ...argument) => send(command, argument[0]) as ReturnType<Worker<C>['ask']> as Promise<never>,
    async end() {
      ending = true;
      child.kill('SIGKILL');
      await exited;
    },
  };
  await send('ready', undefined);
  return worker;
}

/** Ends every process that is still there, without waiting. */
export function endWorkers(): void {
  for (const child of running) {
    child.kill('SIGKILL');
  }
}

/** Without what would change how a process is measured. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(OTEL_|WEFT_|NODE_OPTIONS$|NODE_V8_COVERAGE$|GRPC_|VITEST)/.test(name),
  );
  return { ...Object.fromEntries(kept), NODE_ENV: 'production', WEFT_LOG_LEVEL: 'error' };
}
