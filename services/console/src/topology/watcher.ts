/**
 * Asks every Envoy of the mesh once a second what it did, and keeps the last seconds, so that the topology can be shown at
 * any time.
 */

import { EventEmitter } from 'node:events';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { log } from '@weft/runtime/log';
import { readStats, type Sample } from './stats.ts';
import { between, type WindowedCalls } from './window.ts';

const SOCKET_SUFFIX = '.admin.sock';
const INTERVAL_MS = 1_000;
/** How far back counts and latencies go, in milliseconds. */
export const WINDOW_MS = 10_000;

type TimedSample = { readonly atMs: number; readonly sample: Sample };

/** One workload's Envoy, as last seen. */
export type EnvoyView = {
  readonly workload: string;
  readonly live: boolean;
  readonly calls: readonly WindowedCalls[];
  /** Length of the window that `calls` is over, in milliseconds; less than `WINDOW_MS` just after the start. */
  readonly windowMs: number;
};

/** Follows the Envoys whose admin sockets are in a folder; emits `sampled` after each round. */
export class EnvoyWatcher extends EventEmitter<{ sampled: [] }> {
  readonly #folder: string;
  readonly #history = new Map<string, TimedSample[]>();
  #live = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param folder holds `<workload>.admin.sock` of each Envoy. */
  constructor(folder: string) {
    super();
    this.#folder = folder;
    // One listener for each stream; their number is bounded by the RPC's concurrency limit.
    this.setMaxListeners(0);
  }

  /** Begins to ask, and goes on until `stop`. */
  start(): void {
    void this.#round();
  }

  /** Stops asking. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Whether the Envoy of `caller` has a healthy replica of `callee` to send to. Undefined when it did not say. */
  sees(caller: string, callee: string): boolean | undefined {
    const healthy = this.#live.has(caller) ? this.#history.get(caller)?.at(-1)?.sample.healthy.get(callee) : undefined;
    return healthy === undefined ? undefined : healthy > 0;
  }

  /** All Envoys that were ever seen, sorted by workload. */
  views(): EnvoyView[] {
    return [...this.#history.entries()]
      .map(([workload, samples]) => {
        const newest = samples.at(-1);
        const oldest = samples[0];
        return {
          workload,
          live: this.#live.has(workload),
          calls: newest === undefined || oldest === undefined ? [] : between(oldest.sample, newest.sample),
          windowMs: newest === undefined || oldest === undefined ? 0 : newest.atMs - oldest.atMs,
        };
      })
      .sort((a, b) => (a.workload < b.workload ? -1 : 1));
  }

  async #round(): Promise<void> {
    const startedMs = performance.now();
    const sockets = await readdir(this.#folder).catch(() => []);
    const live = new Set<string>();
    await Promise.all(
      sockets
        .filter((name) => name.endsWith(SOCKET_SUFFIX))
        .map(async (name) => {
          const workload = basename(name, SOCKET_SUFFIX);
          try {
            this.#keep(workload, await readStats(join(this.#folder, name)));
            live.add(workload);
          } catch (error) {
            log.debug('an Envoy does not answer', { envoy: workload, error });
          }
        }),
    );
    this.#live = live;
    this.emit('sampled');
    if (!this.#stopped) {
      this.#timer = setTimeout(() => void this.#round(), Math.max(0, INTERVAL_MS - (performance.now() - startedMs)));
      this.#timer.unref();
    }
  }

  #keep(workload: string, sample: Sample): void {
    const atMs = performance.now();
    const samples = this.#history.get(workload) ?? [];
    this.#history.set(
      workload,
      [...samples, { atMs, sample }].filter((known) => known.atMs >= atMs - WINDOW_MS),
    );
  }
}
