/**
 * Background work of a workload: loops in each replica, which may all work at once. Nothing depends on when they run:
 * what has expired is decided where it is read.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { log } from '../log.ts';
import { detached } from '../server/call.ts';
import { purgeChanges } from './changes.ts';
import { purgeIdempotencyKeys } from './idempotency.ts';

/** Something that runs. */
export type Running = {
  /** Stops it; resolves when what was at work is done. */
  stop(): Promise<void>;
};

const JITTER = 0.2;
/** A loop that fails waits longer each time, up to this many intervals. */
const BACKOFF_MAX = 16;

/**
 * Runs `work` again and again with a pause between, a little jittered so that replicas do not march in step. A failure is
 * logged and lengthens the pause.
 *
 * @param name what the log calls it.
 * @param work gets a signal that aborts when it should stop.
 */
export function every(intervalMs: number, name: string, work: (signal: AbortSignal) => Promise<void>): Running {
  const stopped = new AbortController();
  const loop = async (): Promise<void> => {
    let pause = 1;
    while (!stopped.signal.aborted) {
      try {
        await work(stopped.signal);
        pause = 1;
      } catch (error) {
        pause = Math.min(pause * 2, BACKOFF_MAX);
        log.warn(`${name} failed and will be tried again`, { error });
      }
      const ms = intervalMs * pause * (1 - JITTER / 2 + Math.random() * JITTER);
      await delay(ms, undefined, { signal: stopped.signal }).catch(() => {});
    }
  };
  const running = detached(loop);
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

/** How often what is no longer needed is forgotten, in milliseconds. */
const PURGE_INTERVAL_MS = 600_000;

/** Forgets old idempotency keys and changes, again and again, neither waiting for the other. Replicas may do it at once. */
export function purging(pool: Pool): Running {
  const purges = [
    every(PURGE_INTERVAL_MS, 'the purge of old idempotency keys', (signal) => purgeIdempotencyKeys(pool, { signal })),
    every(PURGE_INTERVAL_MS, 'the purge of old changes', (signal) => purgeChanges(pool, { signal })),
  ];
  return {
    async stop() {
      await Promise.all(purges.map((purge) => purge.stop()));
    },
  };
}
