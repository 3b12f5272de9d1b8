import { Client, type Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PostgresProxy, postgresProxy } from '../../../dev/src/testing/postgres-proxy.ts';
import { fail, reasonOf } from '../errors/fail.ts';
import { Changefeed } from './changefeed.ts';
import { append } from './changes.ts';
import { databaseWithTables } from './fixture.ts';
import { openPool, query, transaction } from './pool.ts';
import { ResumeTokens } from './resume-token.ts';
import { changed } from './watching.ts';

let database: Awaited<ReturnType<typeof databaseWithTables>>;
beforeAll(async () => {
  database = await databaseWithTables();
}, 60_000);
afterAll(() => database.stop());

test('a watcher hears of everything that was written while the connections of its process broke', async () => {
  const { pool, url } = database;
  const write = (key: string) =>
    transaction(pool, (tx) => append(tx, [{ topic: 'items', key, payload: new Uint8Array() }]));
  const readings: string[][] = [];
  const feed = new Changefeed({ pool, databaseUrl: url });
  const view = feed.view<string>({
    topic: 'items',
    async read(changes) {
      const keys = changes.map(({ key }) => key);
      readings.push(keys);
      // Takes long enough to be under way when the connections break.
      await query(pool, readings.length === 1 ? 'SELECT pg_sleep(10)' : 'SELECT');
      return keys.map((key) => [{ value: key, keys: [] }]);
    },
  });
  feed.start();
  const events = view.watch({
    scope: '',
    resumeToken: '',
    signal: new AbortController().signal,
    list: async () => ({ events: [], next: undefined }),
    tell: changed,
  });
  expect((await events.next()).value?.event.case).toBe('bookmark');
  await write('first');
  await vi.waitFor(() => expect(readings).toEqual([['first']]));
  await pool.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  await vi.waitFor(() => write('second'));
  const told = [(await events.next()).value?.event.value, (await events.next()).value?.event.value];
  expect(told).toEqual(['first', 'second']);
  // The reading that broke was done again.
  expect(readings.filter(([key]) => key === 'first').length).toBeGreaterThan(1);
  await events.return(undefined);
  await feed.stop();
});

test('a watcher that resumes while the database cannot be reached is told so', async () => {
  const databaseUrl = 'postgresql://postgres@localhost/data?host=/nonexistent';
  const pool = openPool({ databaseUrl, workload: 'test' });
  const feed = new Changefeed({ pool, databaseUrl });
  const view = feed.view<string>({ topic: 'items', read: async () => [] });
  feed.start();
  const events = view.watch({
    scope: '',
    resumeToken: new ResumeTokens('items\n', /^$/).seal({ cursor: { transaction: 1n, position: 0n } }),
    signal: new AbortController().signal,
    list: async () => ({ events: [], next: undefined }),
    tell: changed,
  });
  const error = await events.next().catch((caught: unknown) => caught);
  expect(reasonOf(error)).toBe('UNREACHABLE');
  await feed.stop();
  await pool.end();
});

test('a watcher stays while what it is to hear of cannot be read for a while, whatever for', async () => {
  const { pool, url } = database;
  const troubles = ['UNREACHABLE', 'OVERLOADED', 'DEADLINE'] as const;
  let readings = 0;
  const feed = new Changefeed({ pool, databaseUrl: url });
  const view = feed.view<string>({
    topic: 'items',
    async read(changes) {
      const trouble = troubles[readings];
      readings += 1;
      if (trouble !== undefined) throw fail(trouble);
      return changes.map(({ key }) => [{ value: key, keys: [] }]);
    },
  });
  feed.start();
  const events = view.watch({
    scope: '',
    resumeToken: '',
    signal: new AbortController().signal,
    list: async () => ({ events: [], next: undefined }),
    tell: changed,
  });
  expect((await events.next()).value?.event.case).toBe('bookmark');
  await transaction(pool, (tx) => append(tx, [{ topic: 'items', key: 'news', payload: new Uint8Array() }]));
  expect((await events.next()).value?.event.value).toBe('news');
  expect(readings).toBe(troubles.length + 1);
  await events.return(undefined);
  await feed.stop();
});

describe('a database that falls silent, whose connections do not even break,', () => {
  let proxy: PostgresProxy;
  let pool: Pool;
  beforeEach(async () => {
    proxy = await postgresProxy(database.url);
    return async () => {
      await proxy.stop();
      await pool.end();
    };
  });

  test('fails what waits for an answer, and its connection is not used again', async () => {
    pool = openPool({ databaseUrl: proxy.url, workload: 'test', answerMaxMs: 300 });
    const trouble = (work: Promise<unknown>) => work.catch((error: unknown) => reasonOf(error) ?? error);
    expect(await query(pool, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    proxy.swallow(true);
    expect(await trouble(query(pool, 'SELECT 2'))).toBe('UNREACHABLE');
    expect(pool.totalCount).toBe(0);
    proxy.swallow(false);
    const statements = vi.spyOn(Client.prototype, 'query');
    const silenced = transaction(pool, async (tx) => {
      await tx.query('SELECT 3');
      proxy.swallow(true);
      await tx.query('SELECT 4');
    });
    expect(await trouble(silenced)).toBe('UNREACHABLE');
    expect(pool.totalCount).toBe(0);
    // Nor is it waited for once more, to be told of the end of the transaction.
    expect(statements.mock.calls.map(([statement]) => String(statement))).toEqual(['BEGIN', 'SELECT 3', 'SELECT 4']);
    statements.mockRestore();
    proxy.swallow(false);
    expect(await query(pool, 'SELECT 5 AS five')).toEqual([{ five: 5 }]);
  });

  /** A feed on a pool that would wait for long. */
  function follow(answerMaxMs: number) {
    pool = openPool({ databaseUrl: proxy.url, workload: 'test', answerMaxMs: 60_000 });
    const feed = new Changefeed({ pool, databaseUrl: proxy.url, answerMaxMs });
    const view = feed.view<string>({
      topic: 'items',
      read: async (changes) => changes.map(({ key }) => [{ value: key, keys: [] }]),
    });
    feed.start();
    const watch = (resumeToken = '') =>
      view.watch({
        scope: '',
        resumeToken,
        signal: new AbortController().signal,
        list: async () => ({ events: [], next: undefined }),
        tell: changed,
      });
    return { feed, watch };
  }

  test('does not keep newcomers waiting, and is followed again when it speaks', async () => {
    const { feed, watch } = follow(300);
    const events = watch();
    const token = (await events.next()).value?.resumeToken;
    proxy.swallow(true);
    const newcomer = await watch(token)
      .next()
      .catch((error: unknown) => error);
    expect(reasonOf(newcomer)).toBe('UNREACHABLE');
    proxy.swallow(false);
    await transaction(database.pool, (tx) => append(tx, [{ topic: 'items', key: 'news', payload: new Uint8Array() }]));
    expect((await events.next()).value?.event.value).toBe('news');
    await events.return(undefined);
    await feed.stop();
  });

  test('does not keep a process that is to stop', async () => {
    const { feed, watch } = follow(60_000);
    const events = watch();
    await events.next();
    await vi.waitFor(async () => {
      const { rowCount } = await database.pool.query(
        "SELECT FROM pg_stat_activity WHERE application_name = 'changefeed' AND query LIKE 'LISTEN%' AND state = 'idle'",
      );
      expect(rowCount).toBe(1);
    });
    proxy.swallow(true);
    const readings = vi.spyOn(pool, 'query');
    await vi.waitFor(() => expect(readings).toHaveBeenCalled());
    await feed.stop();
    expect(reasonOf(await events.next().catch((error: unknown) => error))).toBe('STREAM_ENDED');
    readings.mockRestore();
  });
});
