/**
 * Background work of a workload. What must happen within a second or two (sweeps of what expired) runs as a loop in each
 * replica, on rows that SKIP LOCKED shares out. What must happen at a time of day or once for all replicas runs by pg-boss.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { PgBoss } from 'pg-boss';
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

/** Work by the clock. */
export type Job = {
  /** Letters, digits, hyphens. */
  readonly name: string;
  /** Five fields, in UTC. */
  readonly cron: string;
  readonly work: () => Promise<void>;
};

const PURGE_CRON = '*/10 * * * *';
const POLL_SECONDS = 30;
const STOP_MAX_MS = 2_000;

/**
 * Starts pg-boss (its tables are in the schema `pgboss` of the workload's own database), schedules `jobs` and the purge of old
 * idempotency keys and changes. Each run of a job happens in one replica.
 */
export async function startJobs(pool: Pool, jobs: readonly Job[] = []): Promise<Running> {
  const boss = new PgBoss({
    db: { executeSql: (text, values) => pool.query(text, values) },
    schema: 'pgboss',
  });
  boss.on('error', (error) => log.warn('a background job failed', { error }));
  await boss.start();
  const all: readonly Job[] = [
    { name: 'purge-idempotency-keys', cron: PURGE_CRON, work: () => purgeIdempotencyKeys(pool) },
    { name: 'purge-changes', cron: PURGE_CRON, work: () => purgeChanges(pool) },
    ...jobs,
  ];
  for (const { name, cron, work } of all) {
    await boss.createQueue(name);
    await boss.work(name, { pollingIntervalSeconds: POLL_SECONDS }, async () => work());
    await boss.schedule(name, cron);
  }
  return { stop: () => boss.stop({ graceful: true, timeout: STOP_MAX_MS }) };
}
