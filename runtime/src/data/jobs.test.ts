import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { log } from '../log.ts';
import { type Call, currentCall, runInCall } from '../server/call.ts';
import { databaseWithTables } from './fixture.ts';
import { every, purging, type Running } from './jobs.ts';

const loops: Running[] = [];
const warn = vi.spyOn(log, 'warn');
beforeEach(() => void warn.mockReset().mockReturnValue());
afterEach(() => Promise.all(loops.splice(0).map((loop) => loop.stop())));

/** Starts a loop that ends with the test. */
function start(intervalMs: number, work: (signal: AbortSignal) => Promise<void>): Running {
  const loop = every(intervalMs, 'the job', work);
  loops.push(loop);
  return loop;
}

/** Times from each beginning of the work to the next, in milliseconds. */
const gaps = (beginnings: readonly number[]) => beginnings.slice(1).map((at, index) => at - (beginnings[index] ?? at));
/** A timer may fire a millisecond early. */
const EARLY_MS = 2;

describe('every', () => {
  test('runs at once, and then again and again with a pause after each', async () => {
    const beginnings: number[] = [];
    start(20, async () => {
      beginnings.push(performance.now());
      await delay(10);
    });
    expect(beginnings).toHaveLength(1);
    await expect.poll(() => beginnings.length).toBeGreaterThan(4);
    expect(Math.min(...gaps(beginnings))).toBeGreaterThan(10 + 20 * 0.9 - EARLY_MS);
  });

  test('does not overlap, however long the work takes', async () => {
    let [running, most, runs] = [0, 0, 0];
    start(1, async () => {
      running += 1;
      most = Math.max(most, running);
      await delay(30);
      running -= 1;
      runs += 1;
    });
    await expect.poll(() => runs).toBeGreaterThan(3);
    expect(most).toBe(1);
  });

  test('waits longer after each failure, says so, and is itself again after a success', async () => {
    const beginnings: number[] = [];
    start(40, async () => {
      beginnings.push(performance.now());
      if (beginnings.length <= 3) throw new Error(`failure ${beginnings.length}`);
    });
    await expect.poll(() => beginnings.length, { timeout: 10_000 }).toBeGreaterThan(5);
    const [first = 0, second = 0, third = 0, ...healthy] = gaps(beginnings);
    expect(first).toBeGreaterThan(80 * 0.9 - EARLY_MS);
    expect(second).toBeGreaterThan(160 * 0.9 - EARLY_MS);
    expect(third).toBeGreaterThan(320 * 0.9 - EARLY_MS);
    // The next would have been 640.
    expect(Math.min(...healthy)).toBeLessThan(320);
    expect(warn.mock.calls.map(([message]) => message)).toEqual(
      Array(3).fill('the job failed and will be tried again'),
    );
    expect(warn.mock.calls[2]?.[1]).toMatchObject({ error: new Error('failure 3') });
  });

  test('never waits longer than 16 intervals', async () => {
    const beginnings: number[] = [];
    start(2, async () => {
      beginnings.push(performance.now());
      throw new Error('no');
    });
    await expect.poll(() => beginnings.length, { timeout: 10_000 }).toBeGreaterThan(9);
    // Without the bound the ninth pause would take a second.
    expect(gaps(beginnings)[8]).toBeLessThan(500);
  });

  test('a stop waits for the work, tells it to end, and lets nothing begin', async () => {
    const work = Promise.withResolvers<void>();
    const told = Promise.withResolvers<void>();
    let runs = 0;
    const loop = start(1, async (signal) => {
      runs += 1;
      signal.addEventListener('abort', () => told.resolve());
      await work.promise;
    });
    let stopped = false;
    const stopping = loop.stop().then(() => {
      stopped = true;
    });
    await told.promise;
    await delay(20);
    expect(stopped).toBe(false);
    work.resolve();
    await stopping;
    await delay(20);
    expect(runs).toBe(1);
  });

  test('a stop does not wait for a pause', async () => {
    const loop = start(3_600_000, async () => {});
    await delay(10);
    const before = performance.now();
    await loop.stop();
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  test('belongs to nobody, also when a call has started it', async () => {
    const seen: unknown[] = [];
    runInCall({ rpc: 'S/M' } as Call, () => start(1, async () => void seen.push(currentCall())));
    await expect.poll(() => seen.length).toBeGreaterThan(1);
    expect(new Set(seen)).toEqual(new Set([undefined]));
  });
});

test('purging forgets keys and changes that are old, and no others', async () => {
  const database = await databaseWithTables();
  try {
    await database.pool.query(`
      INSERT INTO idempotency_keys (rpc, principal, request_id, request_hash, create_time)
        SELECT 'S/M', name, gen_random_uuid(), '', now() - age
        FROM (VALUES ('old', interval '49 hours'), ('new', interval '1 hour')) AS k(name, age);
      INSERT INTO changes (topic, key, payload, create_time)
        SELECT 'items', name, '', now() - age FROM (VALUES ('old', interval '49 hours'), ('new', interval '1 hour')) AS c(name, age)`);
    const left = async (text: string) =>
      (await database.pool.query<{ name: string }>(text)).rows.map(({ name }) => name);
    loops.push(purging(database.pool));
    await expect.poll(() => left('SELECT principal AS name FROM idempotency_keys')).toEqual(['new']);
    await expect.poll(() => left('SELECT key AS name FROM changes')).toEqual(['new']);
  } finally {
    await Promise.all(loops.splice(0).map((loop) => loop.stop()));
    await database.stop();
  }
});
