/**
 * What a narrowed watcher is told, and what its tokens say: nothing of others, and nothing more than was sent.
 */

import type { Pool, PoolClient } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Batch, ChangeTail } from './change-tail.ts';
import { change, type Event, Fixture, tokenOf, told, writeTo } from './changefeed-fixture.ts';
import { append, currentSnapshot, purgeChanges, readAfter } from './changes.ts';
import { databaseWithTables } from './fixture.ts';
import { openPool, query, transaction } from './pool.ts';
import { ResumeTokens } from './resume-token.ts';
import { View } from './view.ts';
import { changed } from './watching.ts';

let database: Awaited<ReturnType<typeof databaseWithTables>>;
let pool: Pool;
beforeAll(async () => {
  database = await databaseWithTables();
  pool = database.pool;
  await pool.query('CREATE TABLE things (name text PRIMARY KEY)');
}, 60_000);
afterAll(() => database.stop());

let fixture: Fixture;
beforeEach(async () => {
  await pool.query('TRUNCATE changes, changes_horizon, things');
  fixture = new Fixture(database);
  return () => fixture.feed.stop();
});

const write = (...keys: string[]) => writeTo(pool, ...keys);

describe('a narrowed watcher, beside one of other keys,', () => {
  test('hears of its own keys alone when it resumes, from memory and from the log', async () => {
    const token = tokenOf(await fixture.take('bookmark', { keys: ['p'] }));
    await write('p1', 'q1', 'p2|q2', 'q3');
    const restarted = new Fixture(database, { memoryMax: 1 });
    for (const one of [fixture, restarted]) {
      const other = one.watch({ keys: ['q'] });
      expect((await other.next()).value?.event.case).toBe('bookmark');
      expect(told(await one.take('bookmark', { keys: ['p'], resumeToken: token }))).toEqual(['p1', 'p2', 'bookmark']);
      await other.return(undefined);
    }
    await restarted.feed.stop();
  });

  test('hears of its own keys alone when it comes while others are written', async () => {
    const other = fixture.watch({ keys: ['q'] });
    expect((await other.next()).value?.event.case).toBe('bookmark');
    // What is written while it lists, it reads when it joins.
    const list = async () => {
      await write('q1', 'p1');
      return { events: [], next: undefined };
    };
    expect(told(await fixture.take('bookmark', { keys: ['p'], list }))).toEqual(['p1', 'bookmark']);
    await other.return(undefined);
  });
});

test('the end of a long log is read without the rest, also by who read it when it was short', async () => {
  await pool.query('ALTER TABLE changes SET (autovacuum_enabled = off)');
  const alone = openPool({ databaseUrl: database.url, workload: 'reader', maxConnections: 1 });
  onTestFinished(async () => {
    await alone.end();
    await pool.query('ALTER TABLE changes RESET (autovacuum_enabled)');
  });
  // PostgreSQL keeps the plan of a named statement after it has run a few times.
  const readOften = async () => {
    const { cursor } = await currentSnapshot(pool);
    await alone.query('BEGIN');
    for (let i = 0; i < 10; i += 1) await readAfter(alone, cursor, 500);
    // Of this transaction alone: others read as well.
    const scanned = "SELECT seq_tup_read AS rows FROM pg_stat_xact_user_tables WHERE relname = 'changes'";
    const [row] = await query<{ rows: bigint }>(alone, scanned);
    await alone.query('COMMIT');
    return row?.rows;
  };
  await readOften();
  for (const count of [10, 100, 1_000]) {
    await write(...Array.from({ length: count }, (_, index) => `k${index}`));
    await readOften();
  }
  for (let i = 0; i < 20; i += 1) await write(...Array.from({ length: 1_000 }, (_, index) => `k${index}`));
  expect(await readOften()).toBe(0n);
});

test('in the midst of many changes nobody is told that it is past those that are still to come', async () => {
  await write(...Array.from({ length: 1_200 }, (_, i) => `k${i}`));
  const { rows } = await pool.query<{ since: Date }>('SELECT min(create_time) AS since FROM changes');
  const batches: Batch[] = [];
  const tail = new ChangeTail({ pool, databaseUrl: database.url }, (batch) => batches.push(batch));
  tail.start();
  await tail.fresh();
  await tail.stop();
  const since = rows[0]?.since.getTime() ?? 0;
  expect(batches.map(({ changes, at }) => [changes.length, at.getTime() > since]).slice(0, 3)).toEqual([
    [500, false],
    [500, false],
    [200, true],
  ]);
});

test('nobody is told twice of what they read in the log before the tail did', async () => {
  await write('a1', 'a2', 'a3');
  const ofTail = openPool({ databaseUrl: database.url, workload: 'tail', maxConnections: 1 });
  const held: PoolClient[] = [];
  const tail = new ChangeTail({ pool: ofTail, databaseUrl: database.url, memoryMax: 1 }, (batch) => view.take(batch));
  const view = new View<string>(
    {
      topic: 'items',
      read: async (changes) => changes.map(({ key }) => [{ value: key, keys: [] }]),
    },
    {
      tail,
      // One more is written when the tail has read for the last time before the log is read.
      readLog: async (topic, cursor) => {
        if (held.length === 0) {
          held.push(await ofTail.connect());
          await write('late');
        }
        return await readAfter(pool, cursor, 500, topic);
      },
      snapshot: async () => (await currentSnapshot(pool)).cursor,
    },
  );
  tail.start();
  const watching = view.watch<Event>({
    scope: '',
    resumeToken: new ResumeTokens('items\n', /^$/).seal({ cursor: { transaction: 0n, position: 0n } }),
    signal: new AbortController().signal,
    list: async () => ({ events: [], next: undefined }),
    tell: changed,
  });
  const taken = [];
  for await (const watched of watching) {
    taken.push(watched);
    if (watched.event.case === 'bookmark') {
      held[0]?.release();
      await tail.fresh();
      await write('end');
    }
    if (watched.event.value === 'end') break;
  }
  expect(told(taken)).toEqual(['a1', 'a2', 'a3', 'late', 'bookmark', 'end']);
  await tail.stop();
  await ofTail.end();
});

describe('a bookmark says no more than was sent', () => {
  test('while what was read of the log is still to be told', async () => {
    const others = fixture.feed
      .view<string>({ topic: 'others', read: async (changes) => changes.map(({ key }) => [{ value: key, keys: [] }]) })
      .watch({
        scope: '',
        resumeToken: '',
        signal: new AbortController().signal,
        list: async () => ({ events: [], next: undefined }),
        tell: changed,
      });
    await others.next();
    const events = fixture.watch({ keys: ['q'], bookmarkIntervalMs: 30 });
    await events.next();
    const gate = Promise.withResolvers<void>();
    fixture.gate = gate.promise;
    await write('q');
    await vi.waitFor(() => expect(fixture.readings).toContainEqual(['q']));
    // The log is read on meanwhile, and there is nothing in it for this watcher.
    for (const key of ['1', '2', '3']) {
      await transaction(pool, (tx) => append(tx, [change(key, { topic: 'others' })]));
      expect((await others.next()).value?.event.value).toBe(key);
    }
    const { value } = await events.next();
    expect(value?.event.case).toBe('bookmark');
    gate.resolve();
    expect(told(await fixture.take('bookmark', { keys: ['q'], resumeToken: value?.resumeToken ?? '' }))).toEqual([
      'q',
      'bookmark',
    ]);
    await Promise.all([events.return(undefined), others.return(undefined)]);
  });

  test('while more waits for the watcher, although it took long over something that is no event', async () => {
    const events = fixture.watch({
      bookmarkIntervalMs: 10,
      tell(value) {
        const end = performance.now() + 30;
        while (value === 'x' && performance.now() < end);
        return value === 'x' ? undefined : changed(value);
      },
    });
    const other = fixture.watch();
    await Promise.all([events.next(), other.next()]);
    // One after the other, so that they wait as two.
    for (const key of ['x', 'q']) {
      await write(key);
      expect((await other.next()).value?.event.value).toBe(key);
    }
    expect((await events.next()).value?.event.value).toBe('q');
    await Promise.all([events.return(undefined), other.return(undefined)]);
  });
});

test('a purge forgets some at a time, and notes how far each time', async () => {
  const { cursor } = await currentSnapshot(pool);
  for (const key of ['1', '2', '3', '4', '5', 'young']) await write(key);
  await pool.query("UPDATE changes SET create_time = now() - interval '2 days' WHERE key <> 'young'");
  const statements = vi.spyOn(pool, 'query');
  await purgeChanges(pool, { atOnce: 2 });
  const deletions = statements.mock.calls.filter(([statement]) => String(statement).includes('changes_horizon'));
  expect(deletions).toHaveLength(3);
  statements.mockRestore();
  const [young] = await query<{ transaction: bigint }>(pool, 'SELECT transaction::text::bigint FROM changes');
  const { changes, keptFrom } = await readAfter(pool, cursor, 10);
  expect(changes.map(({ key }) => key)).toEqual(['young']);
  expect([keptFrom > cursor.transaction, keptFrom <= (young?.transaction ?? 0n)]).toEqual([true, true]);
});
