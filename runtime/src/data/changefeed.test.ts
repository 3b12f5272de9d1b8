import { getEventListeners } from 'node:events';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { statementName } from '../../../dev/src/testing/statements.ts';
import { reasonOf } from '../errors/fail.ts';
import { Changefeed } from './changefeed.ts';
import { change, Fixture, listThings, reasonFrom, tokenOf, told, writeTo } from './changefeed-fixture.ts';
import { append, currentSnapshot, purgeChanges, readAfter } from './changes.ts';
import { databaseWithTables } from './fixture.ts';
import { query, transaction } from './pool.ts';
import { changed } from './watching.ts';

let database: Awaited<ReturnType<typeof databaseWithTables>>;
let pool: Pool;

beforeAll(async () => {
  database = await databaseWithTables();
  pool = database.pool;
  await pool.query('CREATE TABLE things (name text PRIMARY KEY)');
}, 60_000);
afterAll(() => database.stop());

const write = (...keys: string[]) => writeTo(pool, ...keys);
const listOf = (size: number) => listThings(pool, size);

let fixture: Fixture;
beforeEach(async () => {
  await pool.query(`TRUNCATE changes, changes_horizon, things; INSERT INTO things VALUES ('a'), ('b')`);
  fixture = new Fixture(database);
  return () => fixture.feed.stop();
});

describe('trap 11: sequence numbers commit out of order', () => {
  /** Runs `work` while a transaction is open that took its place in the log first. */
  async function whileHeld<T>(key: string, work: () => Promise<T>): Promise<T> {
    const slow = await pool.connect();
    try {
      await slow.query('BEGIN');
      await append(slow, [change(key)]);
      return await work();
    } finally {
      await slow.query('COMMIT');
      slow.release();
    }
  }

  test('the log is not read past a transaction that still runs, so that a late lower number is not skipped', async () => {
    const { cursor: before } = await currentSnapshot(pool);
    await whileHeld('early number, late commit', async () => {
      await write('late number, early commit');
      expect(await readAfter(pool, before, 10)).toMatchObject({ changes: [], held: true });
    });
    expect((await readAfter(pool, before, 10)).changes.map(({ key }) => key)).toEqual([
      'early number, late commit',
      'late number, early commit',
    ]);
  });

  test('a watcher is told both, also when it came while the first was open, and also after a token of that time', async () => {
    const early = fixture.watch();
    while ((await early.next()).value?.event.case !== 'bookmark');
    const meanwhile = await whileHeld('late', async () => {
      await write('soon');
      return await fixture.take('bookmark');
    });
    expect([(await early.next()).value?.event.value, (await early.next()).value?.event.value]).toEqual([
      'late',
      'soon',
    ]);
    await early.return(undefined);
    // The bookmark of the one who came meanwhile stands before both.
    expect(told(meanwhile)).toEqual(['a', 'b', 'bookmark']);
    const resumed = await fixture.take('bookmark', { resumeToken: tokenOf(meanwhile) });
    expect(told(resumed)).toEqual(['late', 'soon', 'bookmark']);
  });

  test('a bookmark of while changes are held back says so: its time is before theirs', async () => {
    const { since, event } = await whileHeld('late', async () => {
      await write('soon');
      const [row] = await query<{ since: Date }>(pool, "SELECT create_time AS since FROM changes WHERE key = 'soon'");
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { since: row?.since, event: (await fixture.take('bookmark')).at(-1)?.event };
    });
    expect(event?.case === 'bookmark' && timestampDate(event.value.atTime)).toEqual(since);
  });
});

describe('a watcher', () => {
  test('lists, says so by a bookmark, then follows, and hears of its own topic only', async () => {
    const seen: unknown[] = [];
    for await (const { event } of fixture.watch()) {
      seen.push(event.case === 'bookmark' ? 'bookmark' : event.value);
      if (event.case === 'bookmark') {
        await transaction(pool, (tx) => append(tx, [change('x'), change('y', { topic: 'stock' }), change('z')]));
      }
      if (event.value === 'z') break;
    }
    expect(seen).toEqual(['a', 'b', 'bookmark', 'x', 'z']);
  });

  test('resumes where it was: nothing lost, from memory and from the log', async () => {
    const token = tokenOf(await fixture.take('bookmark'));
    const keys = Array.from({ length: 1_200 }, (_, i) => `k${i}`);
    for (let i = 0; i < keys.length; i += 7) await write(...keys.slice(i, i + 7));
    expect(told(await fixture.take('bookmark', { resumeToken: token }))).toEqual([...keys, 'bookmark']);
    // Of a process that began afterwards, and of one that remembers less than that.
    for (const { memoryMax, logReadings } of [
      { memoryMax: 2_000, logReadings: 0 },
      { memoryMax: 100, logReadings: 3 },
    ]) {
      const statements = vi.spyOn(pool, 'query');
      const other = new Fixture(database, { memoryMax });
      expect(told(await other.take('bookmark', { resumeToken: token }))).toEqual([...keys, 'bookmark']);
      await other.feed.stop();
      const names = statements.mock.calls.map(([statement]) => statementName(statement));
      expect(names.filter((name) => name === 'changes_after_of')).toHaveLength(logReadings);
      statements.mockRestore();
    }
  });

  test('resumes after any event: whatever was told next is told again, and nothing else', async () => {
    const token = tokenOf(await fixture.take('bookmark'));
    await write('c', 'd|e');
    await write('f');
    const all = await fixture.take('bookmark', { resumeToken: token });
    expect(told(all)).toEqual(['c', 'd', 'e', 'f', 'bookmark']);
    const left = [];
    for (const { resumeToken } of all) left.push(told(await fixture.take('bookmark', { resumeToken })).join());
    // What one change tells is told again as a whole.
    expect(left).toEqual(['d,e,f,bookmark', 'd,e,f,bookmark', 'f,bookmark', 'bookmark', 'bookmark']);
  });

  test('is told once of any number of changes to the same, but of each that has a payload, in order', async () => {
    const token = tokenOf(await fixture.take('bookmark'));
    await transaction(pool, (tx) =>
      append(tx, [change('c'), change('c', { payload: '1' }), change('d'), change('c', { payload: '1' }), change('c')]),
    );
    expect(told(await fixture.take('bookmark', { resumeToken: token }))).toEqual(['c=1', 'd', 'c=1', 'c', 'bookmark']);
  });

  test('does not lose a change that commits while it lists in parts, by many writers at once', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `n${i}`);
    const written = Promise.all(
      names.map((name) =>
        transaction(pool, async (tx) => {
          await tx.query('INSERT INTO things VALUES ($1)', [name]);
          await append(tx, [change(name)]);
        }),
      ),
    );
    const seen = new Set<unknown>();
    for await (const { event } of fixture.watch({ list: listOf(3) })) {
      if (event.case === 'changed') seen.add(event.value);
      if (seen.size === 302) break;
    }
    await written;
    expect([...seen].toSorted()).toEqual(['a', 'b', ...names].toSorted());
  }, 20_000);

  test('that is cut while it lists goes on with the part that it had not seen the end of', async () => {
    await pool.query("INSERT INTO things SELECT 'c' || n FROM generate_series(10, 15) AS n");
    const list = listOf(3);
    const cut = await fixture.take('c11', { list });
    expect(told(cut)).toEqual(['a', 'b', 'c10', 'c11']);
    await pool.query("DELETE FROM things WHERE name = 'b'");
    await write('b');
    const rest = await fixture.take('bookmark', { list, resumeToken: tokenOf(cut) });
    expect(told(rest)).toEqual(['c11', 'c12', 'c13', 'c14', 'c15', 'b', 'bookmark']);
  });

  test('lists any number without holding them: a part is asked for when the one before was taken', async () => {
    let parts = 0;
    const list = async (after: string) => {
      parts += 1;
      const first = after === '' ? 0 : Number(after.slice(1)) + 1;
      return {
        events: Array.from({ length: 1_000 }, (_, i) => changed(`n${first + i}`)),
        next: first < 299_000 ? `n${first + 999}` : undefined,
      };
    };
    let listed = 0;
    for await (const { event } of fixture.watch({ list })) {
      if (event.case === 'bookmark') break;
      listed += 1;
      expect(parts).toBe(Math.ceil(listed / 1_000));
    }
    expect(listed).toBe(300_000);
  }, 30_000);

  test('is told that it is alive while nothing happens in its scope, and can resume from there', async () => {
    const stop = new AbortController();
    const tokens: string[] = [];
    for await (const { event, resumeToken } of fixture.watch({
      keys: ['q'],
      signal: stop.signal,
      bookmarkIntervalMs: 40,
    })) {
      if (event.case === 'bookmark') {
        tokens.push(resumeToken);
        await write(`other${tokens.length}`);
      }
      if (tokens.length === 4) break;
    }
    // What was passed over without being told is behind the token.
    expect(new Set(tokens).size).toBeGreaterThan(1);
    await write('q');
    expect(told(await fixture.take('bookmark', { keys: ['q'], resumeToken: tokens.at(-1) ?? '' }))).toEqual([
      'q',
      'bookmark',
    ]);
  });

  test('is refused with a token of another scope, a mutilated one, and one whose history is gone', async () => {
    const token = tokenOf(await fixture.take('bookmark'));
    const listing = tokenOf(await fixture.take('a'));
    const refusal = (resumeToken: string, scope = '') => reasonFrom(fixture.take('bookmark', { resumeToken, scope }));
    const altered = (from: string, alter: (bytes: Buffer) => Buffer) =>
      alter(Buffer.from(from, 'base64url')).toString('base64url');
    expect(await refusal(token, 'another')).toBe('RESUME_TOKEN_INVALID');
    expect(await refusal('nonsense')).toBe('RESUME_TOKEN_INVALID');
    expect(await refusal(Buffer.alloc(25, 255).toString('base64url'))).toBe('RESUME_TOKEN_INVALID');
    expect(await refusal(altered(token, (bytes) => bytes.fill(255, 9)))).toBe('RESUME_TOKEN_INVALID');
    expect(await refusal(altered(token, (bytes) => bytes.subarray(0, 24)))).toBe('RESUME_TOKEN_INVALID');
    expect(await refusal(altered(listing, (bytes) => Buffer.concat([bytes, Buffer.from("'; --")])))).toBe(
      'RESUME_TOKEN_INVALID',
    );
    expect(await refusal(altered(listing, (bytes) => bytes.fill(2, 25)))).toBe('RESUME_TOKEN_INVALID');
    // Of another database, whose transactions have come further.
    expect(await refusal(altered(token, (bytes) => bytes.fill(127, 9, 11)))).toBe('WATCH_HISTORY_GONE');

    await write('x');
    expect(told(await fixture.take('bookmark', { resumeToken: token }))).toEqual(['x', 'bookmark']);
    await pool.query("UPDATE changes SET create_time = now() - interval '2 days'");
    await purgeChanges(pool);
    for (const resumeToken of [token, listing]) {
      expect(await refusal(resumeToken)).toBe('WATCH_HISTORY_GONE');
    }
    expect(told(await fixture.take('bookmark'))).toEqual(['a', 'b', 'bookmark']);
  });

  test('ends with STREAM_ENDED when the feed stops, and with its own reason when its call ends', async () => {
    const events = fixture.watch();
    while ((await events.next()).value?.event.case !== 'bookmark');
    const next = reasonFrom(events.next());
    await fixture.feed.stop();
    expect(await next).toBe('STREAM_ENDED');
    expect(await reasonFrom(fixture.take('bookmark'))).toBe('STREAM_ENDED');
    const stop = new AbortController();
    stop.abort(new Error('gone'));
    await expect(fixture.take('never', { signal: stop.signal })).rejects.toThrow('gone');
  });

  test('leaves no listener behind for what it waited for', async () => {
    const stop = new AbortController();
    const added = vi.spyOn(AbortSignal.prototype, 'addEventListener');
    const removed = vi.spyOn(AbortSignal.prototype, 'removeEventListener');
    const events = fixture.watch({ signal: stop.signal, bookmarkIntervalMs: 5 });
    for (let i = 0; i < 50; i += 1) await events.next();
    const [open, settled] = [added.mock.calls.length - removed.mock.calls.length, added.mock.calls.length];
    for (let i = 0; i < 200; i += 1) await events.next();
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
    expect(added.mock.calls.length - removed.mock.calls.length).toBeLessThanOrEqual(open);
    expect(added.mock.calls.length - settled).toBeLessThan(20);
    await events.return(undefined);
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
    added.mockRestore();
    removed.mockRestore();
  });
});

describe('many watchers', () => {
  test('share each reading, and the log is read by the tail alone', async () => {
    const statements = vi.spyOn(pool, 'query');
    const watchers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const events = fixture.watch();
        while ((await events.next()).value?.event.case !== 'bookmark');
        return events;
      }),
    );
    fixture.readings.length = 0;
    statements.mockClear();
    for (const key of ['c', 'd', 'e']) {
      await write(key);
      for (const events of watchers) expect((await events.next()).value?.event.value).toBe(key);
    }
    expect(fixture.readings).toEqual([['c'], ['d'], ['e']]);
    // Whoever resumes is served from what the tail has read as well.
    const ofLog = statements.mock.calls.map(([statement]) => statementName(statement));
    expect(ofLog.filter((name) => name === 'changes_after_of')).toEqual([]);
    expect(ofLog.filter((name) => name === 'changes_after').length).toBeLessThan(40);
    await Promise.all(watchers.map((events) => events.return(undefined)));
    statements.mockRestore();
  });

  test('are woken by what concerns them, and by nothing else', async () => {
    let tells = 0;
    const tell = (value: string) => {
      tells += 1;
      return changed(value);
    };
    const open = async (keys: string[]) => {
      const events = fixture.watch({ keys, tell });
      while ((await events.next()).value?.event.case !== 'bookmark');
      return events;
    };
    const [one, two, both] = [await open(['p']), await open(['q']), await open(['p', 'q'])];
    await write('r1');
    await write('p1', 'q1');
    expect((await one.next()).value?.event.value).toBe('p1');
    expect((await two.next()).value?.event.value).toBe('q1');
    expect([(await both.next()).value?.event.value, (await both.next()).value?.event.value]).toEqual(['p1', 'q1']);
    expect(tells).toBe(4);
    await Promise.all([one, two, both].map((events) => events.return(undefined)));
  });
});

describe('a watcher that is too slow', () => {
  test('is cut when more waits for it than is remembered; its token leads on from there, again and again', async () => {
    const small = new Fixture(database, { memoryMax: 20 });
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
    const seen: unknown[] = [];
    let [resumeToken, cuts, written] = ['', 0, 0];
    while (seen.at(-1) !== 'k199') {
      const before = seen.length;
      const events = small.watch({ resumeToken, list: async () => ({ events: [], next: undefined }) });
      try {
        for (;;) {
          const { value } = await events.next();
          if (value === undefined) break;
          resumeToken = value.resumeToken;
          if (value.event.case === 'changed') seen.push(value.event.value);
          if (value.event.value === 'k199') break;
          // The reader is away for a while; the last 50 come after it has been cut at least once.
          for (const key of keys.slice(written, written + 50)) await write(key);
          written += 50;
          await vi.waitFor(async () => {
            const fresh = await small.take('bookmark', { resumeToken });
            expect(fresh.length).toBeGreaterThan(0);
          });
        }
      } catch (error) {
        expect(reasonOf(error)).toBe('WATCHER_TOO_SLOW');
        cuts += 1;
        if (cuts > 1) expect(seen.length).toBeGreaterThan(before);
      }
      await events.return(undefined);
    }
    expect(cuts).toBeGreaterThan(0);
    expect(seen).toEqual(keys);
    await small.feed.stop();
  }, 20_000);

  test('is ended when it takes nothing for long', async () => {
    const impatient = new Fixture(database, { stalledMs: 100 });
    const stalled = impatient.watch();
    await stalled.next();
    const patient = impatient.watch({ bookmarkIntervalMs: 20 });
    for (let i = 0; i < 20; i += 1) await patient.next();
    expect(await reasonFrom(stalled.next())).toBe('WATCHER_TOO_SLOW');
    await impatient.feed.stop();
  });
});

describe('a watcher that comes while another is told', () => {
  test('is never told something older after something newer', async () => {
    const versions = new Map<string, number>();
    let readings = 0;
    const feed = new Changefeed({ pool, databaseUrl: database.url });
    const view = feed.view<number>({
      topic: 'items',
      // Every other reading of what is now takes long: if the next began meanwhile, it would be told first.
      read: async (changes) => {
        const now = changes.map(({ key }) => versions.get(key) ?? 0);
        readings += 1;
        await new Promise((resolve) => setTimeout(resolve, readings % 2 === 0 ? 0 : 40));
        return now.map((value) => [{ value, keys: [] }]);
      },
    });
    feed.start();
    const open = (resumeToken: string) =>
      view.watch<{ case: 'changed'; value: number }>({
        scope: '',
        resumeToken,
        signal: new AbortController().signal,
        list: async () => ({ events: [], next: undefined }),
        tell: changed,
      });
    let token = '';
    for await (const { resumeToken } of open('')) {
      token = resumeToken;
      break;
    }
    let isWriting = true;
    const writing = (async () => {
      for (let version = 1; version <= 300; version += 1) {
        versions.set('v', version);
        await write('v');
      }
      isWriting = false;
    })();
    const follow = async () => {
      const seen: number[] = [];
      for await (const { event } of open(token)) {
        if (event.case === 'changed') seen.push(event.value);
        if (event.value === 300) break;
      }
      return seen;
    };
    const followers: Promise<number[]>[] = [];
    while (isWriting) {
      followers.push(follow());
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const seen of await Promise.all(followers)) {
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    }
    await writing;
    await feed.stop();
  }, 30_000);
});
