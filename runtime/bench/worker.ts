/**
 * The entry of each process of a benchmark: runs the module that it is told, answers what it is asked by IPC, and ends when
 * the process that started it does. What every process can be asked stands here: its CPU time, its memory, a profile.
 */

import { Session } from 'node:inspector/promises';
import type { Profile } from './profile.ts';
import type { Commands, WorkerReply, WorkerRequest } from './workers.ts';

/** CPU time of the process since its start, its collector's threads included, and the time of day. */
export type Mark = { readonly cpuUs: number; readonly atMs: number };
export type Memory = { readonly rssBytes: number; readonly heapBytes: number; readonly externalBytes: number };

const common = {
  mark(): Mark {
    const { user, system } = process.cpuUsage();
    return { cpuUs: user + system, atMs: performance.now() };
  },
  /** After a full collection, where `--expose-gc` allows one. */
  memory(): Memory {
    globalThis.gc?.();
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rssBytes: rss, heapBytes: heapUsed, externalBytes: external };
  },
  async startProfile(): Promise<void> {
    inspector.connect();
    await inspector.post('Profiler.enable');
    await inspector.post('Profiler.setSamplingInterval', { interval: 200 });
    await inspector.post('Profiler.start');
  },
  async stopProfile(): Promise<Profile> {
    const { profile } = await inspector.post('Profiler.stop');
    inspector.disconnect();
    return profile;
  },
};
const inspector = new Session();

/** What every process answers to. */
export type CommonCommands = typeof common;

process.once('disconnect', () => process.exit());

const [module = '', options = '{}'] = process.argv.slice(2);
const { start }: { start: (options: unknown) => Promise<Commands> } = await import(
  new URL(module, import.meta.url).href
);
const commands: Record<string, unknown> = { ready: () => {}, ...common, ...(await start(JSON.parse(options))) };

process.on('message', async ({ id, name, argument }: WorkerRequest) => {
  let reply: WorkerReply;
  try {
    const command = commands[name];
    if (typeof command !== 'function') {
      throw new Error(`cannot be asked for ${name}`);
    }
    reply = { id, value: await command(argument) };
  } catch (error) {
    reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  process.send?.(reply);
});
