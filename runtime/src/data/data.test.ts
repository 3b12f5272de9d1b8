import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { reasonOf } from '../errors/fail.ts';
import { Changefeed, type Watched } from './changefeed.ts';
import { append, currentSnapshot, purgeChanges, readAfter } from './changes.ts';
import { databaseWithTables } from './fixture.ts';
import { once, purgeIdempotencyKeys } from './idempotency.ts';
import { openPool, query, transaction } from './pool.ts';

let database: Awaited<ReturnType<typeof databaseWithTables>>;
let pool: Pool;

beforeAll(async () => {
  database = await databaseWithTables();
  pool = database.pool;
  await pool.query('CREATE TABLE counters (name text PRIMARY KEY, value int NOT NULL)');
}, 60_000);
afterAll(() => database.stop());
beforeEach(() =>
  pool.query(
    `TRUNCATE changes, changes_horizon, idempotency_keys, counters; INSERT INTO counters VALUES ('a', 0), ('b', 0)`,
  ),
);

const text = (value: string) => create(StringValueSchema, { value });
const count = async (name: string) =>
  (await query<{ value: number }>(pool, 'SELECT value FROM counters WHERE name = $1', [name]))[0]?.value;

describe('a transaction', () => {
  test('is rolled back when its work throws, and its connection is given back', async () => {
    for (let i = 0; i < 40; i += 1) {
      await expect(
        transaction(pool, async (tx) => {
          await tx.query("UPDATE counters SET value = 1 WHERE name = 'a'");
          throw new Error('no');
        }),
      ).rejects.toThrow('no');
    }
    expect(await count('a')).toBe(0);
    expect(pool.idleCount).toBe(pool.totalCount);
  });

  test('trap 5: is run again when it is the victim of a deadlock', async () => {
    const both = (first: string, second: string, met: Promise<void>, meet: () => void) => {
      let attempts = 0;
      return transaction(pool, async (tx) => {
        attempts += 1;
        await tx.query('UPDATE counters SET value = value + 1 WHERE name = $1', [first]);
        meet();
        if (attempts === 1) await met;
        await tx.query('UPDATE counters SET value = value + 1 WHERE name = $1', [second]);
        return attempts;
      });
    };
    const one = Promise.withResolvers<void>();
    const two = Promise.withResolvers<void>();
    const attempts = await Promise.all([
      both('a', 'b', two.promise, one.resolve),
      both('b', 'a', one.promise, two.resolve),
    ]);
    expect(attempts.toSorted()).toEqual([1, 2]);
    expect([await count('a'), await count('b')]).toEqual([2, 2]);
  });

  test('on a database that is away fails with UNREACHABLE', async () => {
    const away = openPool({ databaseUrl: 'postgresql://nobody@127.0.0.1:1/none', workload: 'test' });
    const error = await transaction(away, async () => {}).catch((thrown: unknown) => thrown);
    expect(reasonOf(error)).toBe('UNREACHABLE');
    await away.end();
  });
});

describe('trap 7: a double submit', () => {
  const submit = (requestId: string, body: string, principal = 'subject:ada') =>
    transaction(pool, (tx) =>
      once(
        tx,
        {
          rpc: 'S/M',
          principal,
          requestId,
          requestSchema: StringValueSchema,
          request: text(body),
          responseSchema: StringValueSchema,
        },
        async () => {
          const { rows } = await tx.query<{ value: number }>(
            "UPDATE counters SET value = value + 1 WHERE name = 'a' RETURNING value",
          );
          return text(`${body} ${rows[0]?.value}`);
        },
      ),
    );

  test('has one effect, and the same bytes, also when it comes 30 times at once', async () => {
    const requestId = randomUUID();
    const responses = await Promise.all(Array.from({ length: 30 }, () => submit(requestId, 'x')));
    expect(
      new Set(responses.map((response) => Buffer.from(toBinary(StringValueSchema, response)).toString('hex'))).size,
    ).toBe(1);
    expect(await count('a')).toBe(1);
  });

  test('with another body is REQUEST_ID_REUSED', async () => {
    const requestId = randomUUID();
    await submit(requestId, 'x');
    expect(reasonOf(await submit(requestId, 'y').catch((error: unknown) => error))).toBe('REQUEST_ID_REUSED');
    expect(await count('a')).toBe(1);
  });

  test('of another principal is another request: nobody reads another’s answer', async () => {
    const requestId = randomUUID();
    await submit(requestId, 'x', 'subject:ada');
    expect((await submit(requestId, 'x', 'subject:bob')).value).toBe('x 2');
  });

  test('keys are kept for a day and then forgotten', async () => {
    await submit(randomUUID(), 'x');
    await pool.query("UPDATE idempotency_keys SET create_time = now() - interval '25 hours'");
    await purgeIdempotencyKeys(pool);
    expect((await pool.query('SELECT FROM idempotency_keys')).rowCount).toBe(1);
    await pool.query("UPDATE idempotency_keys SET create_time = now() - interval '49 hours'");
    await purgeIdempotencyKeys(pool);
    expect((await pool.query('SELECT FROM idempotency_keys')).rowCount).toBe(0);
  });
});

const change = (key: string, topic = 'items') => ({ topic, key, payload: Buffer.from(key) });

describe('trap 11: the log of changes', () => {
  test('is not read past a transaction that still runs, so that a late lower number is not skipped', async () => {
    const { cursor: before } = await currentSnapshot(pool);
    const slow = await pool.connect();
    await slow.query('BEGIN');
    await append(slow, [change('early number, late commit')]);
    await transaction(pool, (tx) => append(tx, [change('late number, early commit')]));
    expect(await readAfter(pool, before, 10)).toMatchObject({ changes: [], held: true });
    await slow.query('COMMIT');
    slow.release();
    expect((await readAfter(pool, before, 10)).changes.map(({ key }) => key)).toEqual([
      'early number, late commit',
      'late number, early commit',
    ]);
  });
});

describe('a watcher', () => {
  let feed: Changefeed;
  beforeEach(() => {
    feed = new Changefeed({ pool, databaseUrl: database.url });
    feed.start();
    return () => feed.stop();
  });

  const watch = (signal: AbortSignal, resumeToken = '', scope = '', bookmarkIntervalMs = 10_000) =>
    feed.watch<string>({
      topic: 'items',
      scope,
      resumeToken,
      signal,
      bookmarkIntervalMs,
      async *list(tx) {
        const { rows } = await tx.query<{ name: string }>('SELECT name FROM counters ORDER BY name');
        yield rows.map(({ name }) => name);
      },
      read: async (changes) => changes.map(({ key }) => ({ case: 'changed', value: key }) as const),
    });

  async function take(events: AsyncIterable<Watched<string>>, until: string): Promise<Watched<string>[]> {
    const taken: Watched<string>[] = [];
    for await (const event of events) {
      taken.push(event);
      if (event.event.case === until || event.event.value === until) break;
    }
    return taken;
  }

  test('lists, says so by a bookmark, then follows, and hears of its own topic only', async () => {
    const stop = new AbortController();
    const events = watch(stop.signal);
    const seen: unknown[] = [];
    for await (const { event } of events) {
      seen.push(event.case === 'bookmark' ? 'bookmark' : event.value);
      if (event.case === 'bookmark') {
        await transaction(pool, (tx) => append(tx, [change('x'), change('y', 'stock'), change('z')]));
      }
      if (event.value === 'z') break;
    }
    expect(seen).toEqual(['a', 'b', 'bookmark', 'x', 'z']);
  });

  test('resumes where it was: nothing lost, from memory and from the log', async () => {
    const listed = await take(watch(new AbortController().signal), 'bookmark');
    const token = listed.at(-1)?.resumeToken ?? '';
    for (let i = 0; i < 700; i += 1) await transaction(pool, (tx) => append(tx, [change(`k${i}`)]));
    const keys = (taken: Watched<string>[]) =>
      taken.flatMap(({ event }) => (event.case === 'changed' ? [event.value] : []));
    const expected = Array.from({ length: 700 }, (_, i) => `k${i}`);
    expect(keys(await take(watch(new AbortController().signal, token), 'k699'))).toEqual(expected);
    const other = new Changefeed({ pool, databaseUrl: database.url });
    const fromLog = other.watch<string>({
      topic: 'items',
      scope: '',
      resumeToken: token,
      signal: new AbortController().signal,
      list: async function* () {},
      read: async (changes) => changes.map(({ key }) => ({ case: 'changed', value: key }) as const),
    });
    expect(keys(await take(fromLog, 'k699'))).toEqual(expected);
  });

  test('does not lose a change that commits while it lists, by many writers at once', async () => {
    const written = Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        transaction(pool, async (tx) => {
          await tx.query('INSERT INTO counters VALUES ($1, 0)', [`n${i}`]);
          await append(tx, [change(`n${i}`)]);
        }),
      ),
    );
    const stop = new AbortController();
    const seen = new Set<string>();
    for await (const { event } of watch(stop.signal)) {
      if (event.case === 'changed') seen.add(event.value);
      if (seen.size === 302) break;
    }
    await written;
    expect(seen.size).toBe(302);
  }, 20_000);

  test('is told that it is alive while nothing happens in its scope', async () => {
    const marks = watch(new AbortController().signal, '', '', 50);
    let bookmarks = 0;
    for await (const { event } of marks) {
      if (event.case === 'bookmark' && ++bookmarks === 3) break;
    }
    expect(bookmarks).toBe(3);
  });

  test('is refused with a token of another scope, a mutilated one, and one whose history is gone', async () => {
    const token = (await take(watch(new AbortController().signal), 'bookmark')).at(-1)?.resumeToken ?? '';
    const refusal = async (resumeToken: string, scope = '') =>
      reasonOf(
        await take(watch(new AbortController().signal, resumeToken, scope), 'bookmark').catch(
          (error: unknown) => error,
        ),
      );
    expect(await refusal(token, 'another')).toBe('RESUME_TOKEN_INVALID');
    expect(await refusal('nonsense')).toBe('RESUME_TOKEN_INVALID');
    expect(await refusal(Buffer.alloc(25, 255).toString('base64url'))).toBe('RESUME_TOKEN_INVALID');
    await transaction(pool, (tx) => append(tx, [change('x')]));
    await pool.query("UPDATE changes SET create_time = now() - interval '2 days'");
    await purgeChanges(pool);
    expect(await refusal(token)).toBe('WATCH_HISTORY_GONE');
  });

  test('ends with STREAM_ENDED when the feed stops, and with its own reason when its call ends', async () => {
    const events = watch(new AbortController().signal);
    const ended = take(events, 'never').catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await feed.stop();
    expect(reasonOf(await ended)).toBe('STREAM_ENDED');
    const stop = new AbortController();
    stop.abort(new Error('gone'));
    await expect(take(watch(stop.signal), 'never')).rejects.toThrow('gone');
  });
});
