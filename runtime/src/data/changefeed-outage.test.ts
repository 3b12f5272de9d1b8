import { afterAll, beforeAll, expect, test, vi } from 'vitest';
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
