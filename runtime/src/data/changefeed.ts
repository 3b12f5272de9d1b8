/**
 * Watch streams over the log of changes: one reader of the log in each process, any number of watchers of what it read.
 *
 * A watcher has no queue that could fill: it keeps a cursor and takes what comes after it, from the memory of the latest
 * changes or, when it fell behind that, from the log. So a slow reader costs no memory; one that falls behind the log itself
 * is told WATCH_HISTORY_GONE.
 */

import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type Timestamp, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Client, type Pool } from 'pg';
import { fail } from '../errors/fail.ts';
import { log } from '../log.ts';
import { detached } from '../server/call.ts';
import { until } from '../server/until.ts';
import {
  atSnapshot,
  CHANNEL,
  type Change,
  type Cursor,
  currentSnapshot,
  isKept,
  type Read,
  readAfter,
} from './changes.ts';
import type { Sql } from './pool.ts';

/** What a watcher is told: something is like this now, is gone, or nothing happened and the stream is alive. */
export type WatchEvent<T> =
  | { readonly case: 'changed'; readonly value: T }
  | { readonly case: 'deleted'; readonly value: string }
  | { readonly case: 'bookmark'; readonly value: { readonly atTime: Timestamp } };

/** An event, and where to resume after it; empty while the first listing is not complete. */
export type Watched<T> = { readonly resumeToken: string; readonly event: WatchEvent<T> };

/** What to watch. */
export type WatchOptions<T> = {
  readonly topic: string;
  /** What the stream is narrowed to (SKUs, a customer), as text: a resume token of another scope is refused. */
  readonly scope: string;
  /** The token to resume from; empty lists first. */
  readonly resumeToken: string;
  readonly signal: AbortSignal;
  /** Lists what exists, on a snapshot, a part at a time. */
  readonly list: (tx: Sql) => AsyncIterable<readonly T[]>;
  /** Turns changes of the topic into events, in order, leaving out what is out of scope. */
  readonly read: (changes: readonly Change[]) => Promise<readonly Exclude<WatchEvent<T>, { case: 'bookmark' }>[]>;
  /** Silence after which a bookmark is sent, in milliseconds. Default 15,000; below the contract's idle timeout. */
  readonly bookmarkIntervalMs?: number;
};

/** Changes that are kept in memory for all watchers. */
const MEMORY_MAX = 10_000;
/** Changes that one watcher takes at once. */
const BATCH_MAX = 500;
/** The log is looked at this often although nobody wakes the reader, in milliseconds. */
const POLL_MS = 250;
/** And this often at first while changes wait for an older transaction to end; then half as often each time. */
const HELD_POLL_MS = 10;
const RECONNECT_MS = 500;
const CONNECT_MAX_MS = 5_000;
const BOOKMARK_INTERVAL_MS = 15_000;
/** Listed parts that are held until the snapshot's transaction can end. */
const LISTED_MAX = 100_000;

/** The reader of a workload's log of changes. */
export class Changefeed {
  readonly #pool: Pool;
  readonly #databaseUrl: string;
  readonly #stopped = new AbortController();
  readonly #events = new EventEmitter<{ advanced: []; wake: [] }>();
  /** The latest changes, oldest first; complete after `#memoryFrom`, up to `#upTo`. */
  #memory: Change[] = [];
  #memoryFrom: Cursor | undefined;
  #upTo: Cursor | undefined;
  /** When the log was last read to its end, by the database's clock. */
  #readAt: Date | undefined;
  #running: Promise<void> | undefined;

  constructor(options: { readonly pool: Pool; readonly databaseUrl: string }) {
    this.#pool = options.pool;
    this.#databaseUrl = options.databaseUrl;
    // One listener for each watcher; their number is bounded by the sidecar's concurrency limit.
    this.#events.setMaxListeners(0);
  }

  /** Begins to read. A database that is away is waited for. */
  start(): void {
    this.#running ??= detached(() => Promise.all([this.#follow(), this.#listen()]).then(() => {}));
  }

  /** Stops reading; watchers end with STREAM_ENDED. */
  async stop(): Promise<void> {
    this.#stopped.abort(fail('STREAM_ENDED'));
    await this.#running;
  }

  /**
   * Lists, then follows.
   *
   * @throws RESUME_TOKEN_INVALID, WATCH_HISTORY_GONE, STREAM_ENDED, and what `list` and `read` throw.
   */
  async *watch<T>(options: WatchOptions<T>): AsyncGenerator<Watched<T>> {
    const signal = AbortSignal.any([options.signal, this.#stopped.signal]);
    const intervalMs = options.bookmarkIntervalMs ?? BOOKMARK_INTERVAL_MS;
    let cursor: Cursor;
    let bookmarkAtMs = 0;
    let caughtUp = false;
    if (options.resumeToken === '') {
      const listed = await this.#list(options);
      for (const value of listed.result) {
        signal.throwIfAborted();
        yield { resumeToken: '', event: { case: 'changed', value } };
      }
      cursor = listed.cursor;
      yield bookmark(options, cursor, listed.at);
      bookmarkAtMs = performance.now() + intervalMs;
      caughtUp = true;
    } else {
      cursor = openToken(options, options.resumeToken);
      if (!(await isKept(this.#pool, cursor))) {
        throw fail('WATCH_HISTORY_GONE');
      }
    }
    for (;;) {
      signal.throwIfAborted();
      // Where a resume begins is asked of the log itself: what was missed may not have reached the memory of this process.
      const { changes, upTo, at } = await (caughtUp
        ? this.#after(options.topic, cursor)
        : this.#readLog(options.topic, cursor));
      const of = changes.filter((change) => change.topic === options.topic);
      const events = of.length === 0 ? [] : await options.read(of);
      for (const [index, event] of events.entries()) {
        // Only the last event of a batch has all of the batch behind it.
        const seen = index === events.length - 1 ? upTo : cursor;
        yield { resumeToken: sealToken(options, seen), event };
        bookmarkAtMs = performance.now() + intervalMs;
      }
      cursor = later(cursor, upTo);
      // Also when there were changes, but none in scope. The first one says that nothing is missing any more.
      if ((!caughtUp || performance.now() >= bookmarkAtMs) && changes.length < BATCH_MAX) {
        yield bookmark(options, cursor, at);
        bookmarkAtMs = performance.now() + intervalMs;
        caughtUp = true;
      }
      if (!this.#isBehind(cursor)) {
        await this.#advances(bookmarkAtMs - performance.now(), signal);
      }
    }
  }

  /** The whole listing, read on one snapshot: rows are small, and holding a transaction open for a slow reader is not an option. */
  async #list<T>({ list }: WatchOptions<T>): Promise<{ result: T[]; cursor: Cursor; at: Date }> {
    return await atSnapshot(this.#pool, async (tx) => {
      const all: T[] = [];
      for await (const part of list(tx)) {
        all.push(...part);
        if (all.length > LISTED_MAX) {
          throw fail('OVERLOADED', `More than ${LISTED_MAX} entries cannot be watched at once.`);
        }
      }
      return all;
    });
  }

  /** What comes after a cursor: from memory, or of a watcher that fell behind it, from the log. */
  async #after(topic: string, cursor: Cursor): Promise<Omit<Read, 'held'>> {
    const [from, end, at] = [this.#memoryFrom, this.#upTo, this.#readAt];
    if (from !== undefined && end !== undefined && at !== undefined && compare(cursor, from) >= 0) {
      const start = firstAfter(this.#memory, cursor);
      const changes = this.#memory.slice(start, start + BATCH_MAX);
      const last = changes.at(-1)?.cursor;
      return { changes, at, upTo: start + BATCH_MAX < this.#memory.length && last !== undefined ? last : end };
    }
    return await this.#readLog(topic, cursor);
  }

  async #readLog(topic: string, cursor: Cursor): Promise<Omit<Read, 'held'>> {
    const read = await readAfter(this.#pool, cursor, BATCH_MAX, topic);
    // Asked after reading: what was purged meanwhile may have been missed.
    if (!(await isKept(this.#pool, cursor))) {
      throw fail('WATCH_HISTORY_GONE');
    }
    return read;
  }

  /** Whether there may be something to read after a cursor already, so that nothing would wake who waits. */
  #isBehind(cursor: Cursor): boolean {
    const newest = this.#memory.at(-1)?.cursor ?? this.#memoryFrom;
    return newest !== undefined && compare(cursor, newest) < 0;
  }

  /** Waits until the log has advanced, or the time is up. */
  async #advances(ms: number, signal: AbortSignal): Promise<void> {
    const done = new AbortController();
    const advanced = once(this.#events, 'advanced', { signal: done.signal });
    const timeUp = delay(Math.max(0, ms), undefined, { signal: done.signal });
    advanced.catch(() => {});
    timeUp.catch(() => {});
    try {
      await until(signal, Promise.race([advanced, timeUp]));
    } finally {
      done.abort();
    }
  }

  async #follow(): Promise<void> {
    let napMs = POLL_MS;
    while (!this.#stopped.signal.aborted) {
      try {
        this.#memoryFrom ??= (await currentSnapshot(this.#pool)).cursor;
        const read = await readAfter(this.#pool, this.#upTo ?? this.#memoryFrom, BATCH_MAX);
        this.#remember(read);
        if (read.changes.length === BATCH_MAX) {
          continue;
        }
        napMs = read.held ? Math.min(read.changes.length > 0 ? HELD_POLL_MS : napMs * 2, POLL_MS) : HELD_POLL_MS / 2;
        await this.#nap(read.held ? napMs : POLL_MS);
      } catch (error) {
        if (!this.#stopped.signal.aborted) {
          log.warn('the log of changes cannot be read', { error });
          await this.#nap(RECONNECT_MS);
        }
      }
    }
  }

  #remember({ changes, upTo, at }: Read): void {
    this.#memory.push(...changes);
    this.#upTo = later(this.#upTo ?? upTo, upTo);
    this.#readAt = at;
    if (changes.length > 0) {
      this.#events.emit('advanced');
    }
    const excess = this.#memory.length - MEMORY_MAX;
    if (excess > 0) {
      // In steps, so that the array is not moved for every change.
      const dropped = this.#memory.splice(0, excess + MEMORY_MAX / 10);
      this.#memoryFrom = dropped.at(-1)?.cursor ?? this.#memoryFrom;
    }
  }

  /** Sleeps until a commit wakes it. */
  async #nap(ms: number): Promise<void> {
    const done = new AbortController();
    await Promise.race([
      once(this.#events, 'wake', { signal: done.signal }).catch(() => {}),
      delay(ms, undefined, { signal: AbortSignal.any([done.signal, this.#stopped.signal]) }).catch(() => {}),
    ]);
    done.abort();
  }

  /** Keeps a connection that hears of commits. Without it changes are seen `POLL_MS` later. */
  async #listen(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const client = new Client({
        connectionString: this.#databaseUrl,
        application_name: 'changefeed',
        connectionTimeoutMillis: CONNECT_MAX_MS,
        keepAlive: true,
      });
      const ended = new Promise<void>((resolve) => {
        client.once('end', resolve);
        client.on('error', () => resolve());
        this.#stopped.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      try {
        await client.connect();
        client.on('notification', () => this.#events.emit('wake'));
        await client.query(`LISTEN ${CHANNEL}`);
        await ended;
      } catch (error) {
        log.debug('cannot listen for changes', { error });
      }
      await client.end().catch(() => {});
      await delay(RECONNECT_MS, undefined, { signal: this.#stopped.signal }).catch(() => {});
    }
  }
}

function bookmark<T>(options: WatchOptions<T>, cursor: Cursor, at: Date): Watched<T> {
  const atTime = timestampFromDate(at);
  return { resumeToken: sealToken(options, cursor), event: { case: 'bookmark', value: { atTime } } };
}

const SCOPE_BYTES = 9;
const TOKEN_BYTES = SCOPE_BYTES + 16;

function sealToken(options: { topic: string; scope: string }, cursor: Cursor): string {
  const bytes = Buffer.alloc(TOKEN_BYTES);
  scopeHash(options).copy(bytes);
  bytes.writeBigUInt64BE(cursor.transaction, SCOPE_BYTES);
  bytes.writeBigUInt64BE(cursor.position, SCOPE_BYTES + 8);
  return bytes.toString('base64url');
}

function openToken(options: { topic: string; scope: string }, token: string): Cursor {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length !== TOKEN_BYTES || !bytes.subarray(0, SCOPE_BYTES).equals(scopeHash(options))) {
    throw fail('RESUME_TOKEN_INVALID');
  }
  const cursor = {
    transaction: bytes.readBigUInt64BE(SCOPE_BYTES),
    position: bytes.readBigUInt64BE(SCOPE_BYTES + 8),
  };
  if (cursor.transaction > INT64_MAX || cursor.position > INT64_MAX) {
    throw fail('RESUME_TOKEN_INVALID');
  }
  return cursor;
}

const INT64_MAX = 2n ** 63n - 1n;

function scopeHash({ topic, scope }: { topic: string; scope: string }): Buffer {
  return createHash('sha256').update(`${topic}\n${scope}`).digest().subarray(0, SCOPE_BYTES);
}

function compare(a: Cursor, b: Cursor): number {
  if (a.transaction !== b.transaction) {
    return a.transaction < b.transaction ? -1 : 1;
  }
  return a.position === b.position ? 0 : a.position < b.position ? -1 : 1;
}

function later(a: Cursor, b: Cursor): Cursor {
  return compare(a, b) < 0 ? b : a;
}

/** Index of the first change after the cursor, by bisection. */
function firstAfter(changes: readonly Change[], cursor: Cursor): number {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const change = changes[middle];
    if (change !== undefined && compare(change.cursor, cursor) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
