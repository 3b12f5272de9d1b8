/**
 * The tail of the log of changes: the one reader that a process has of it, and the memory of what it read last. However many watch,
 * the log is asked once for each batch.
 */

import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, type Pool } from 'pg';
import { fail } from '../errors/fail.ts';
import { log } from '../log.ts';
import { detached } from '../server/call.ts';
import { Bell } from './bell.ts';
import {
  CHANNEL,
  type Change,
  type Cursor,
  compare,
  cursorBeforeLast,
  later,
  type Read,
  readAfter,
} from './changes.ts';
import { sqlOn } from './pool.ts';

/** Changes that are taken at once. */
export const BATCH_MAX = 500;
/** Changes that are kept in memory for all watchers. */
const MEMORY_MAX = 10_000;
/** The log is looked at this often although nobody wakes the reader, in milliseconds. */
const POLL_MS = 250;
/** And this often at least while changes wait for an older transaction to end, of which nobody may tell. */
const HELD_POLL_MS = 50;
/** And after there were changes, since more will come, and what wakes the reader has to wait where there are many; then half as often each time. */
const BUSY_POLL_MS = 10;
/** Two readings begin at least this long after one another, in milliseconds, so that many commits make few readings. */
const PACE_MS = 10;
const RECONNECT_MS = 500;
const CONNECT_MAX_MS = 5_000;
/** A reading that takes longer will not be answered: those who wait for it are told so, and it is begun anew. */
const ANSWER_MAX_MS = 5_000;
/** Silence after which the connection that hears of commits is asked whether it is still there. */
const KEEP_ALIVE_MS = 10_000;

/** Where the log is, and how much of it is remembered. */
export type TailOptions = {
  readonly pool: Pool;
  readonly databaseUrl: string;
  /** Changes that are remembered. Default 10,000. */
  readonly memoryMax?: number;
  /** A reading is given up after so long, in milliseconds. Default 5,000. */
  readonly answerMaxMs?: number;
};

/** What was read of the log at once; perhaps only that there was nothing. */
export type Batch = Pick<Read, 'changes' | 'upTo'> & {
  /** Everything written before this time comes before `upTo`: of the last reading that came to the end of the log. */
  readonly at: Date;
  /** Batches are numbered from 1. */
  readonly number: number;
  /** Changes that were read before it. */
  readonly changesBefore: number;
  /** Whether changes before it may have been forgotten before they were read: this process was without its database for a day. */
  readonly isBroken: boolean;
};

/** Changes after a cursor, as far as they are remembered. */
export type Recent = Pick<Batch, 'changes' | 'upTo' | 'at'> & {
  /** Whether these are all up to the end of what was read. */
  readonly isAll: boolean;
};

/** The tail of a log. */
export class ChangeTail {
  readonly #options: TailOptions;
  readonly #onBatch: (batch: Batch) => void;
  readonly #bell = new Bell();
  readonly #stopped = new AbortController();
  #running: Promise<unknown> | undefined;
  /** The latest changes, oldest first; complete after `#from`, up to `#upTo`. */
  #memory: Change[] = [];
  #from: Cursor | undefined;
  #upTo: Cursor | undefined;
  #at = new Date(0);
  #keptFrom = 0n;
  #batches = 0;
  #changes = 0;
  /** Those who want a reading that begins from now on. */
  #asked: PromiseWithResolvers<void> | undefined;
  /** Gives up the reading that is under way. */
  #giveUp: ((reason: unknown) => void) | undefined;

  /** @param onBatch is given each batch as soon as it is remembered; it must not throw. */
  constructor(options: TailOptions, onBatch: (batch: Batch) => void) {
    this.#options = options;
    this.#onBatch = onBatch;
  }

  /** Begins to read. A database that is away is waited for. */
  start(): void {
    this.#running ??= detached(() => Promise.all([this.#follow(), this.#listen()]));
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#bell.ring();
    this.#giveUp?.(fail('STREAM_ENDED'));
    await this.#running;
    this.#takeAsked()?.reject(fail('STREAM_ENDED'));
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  /** Batches that were read so far. */
  get batches(): number {
    return this.#batches;
  }

  /** How many changes were read before the oldest that is remembered. */
  get forgotten(): number {
    return this.#changes - this.#memory.length;
  }

  /** Whether all changes after a cursor are still in the log, and it is of this log. */
  isKept({ transaction, position }: Cursor): boolean {
    const end = this.#upTo ?? { transaction, position };
    return transaction >= this.#keptFrom && compare({ transaction, position }, end) <= 0;
  }

  /**
   * Resolves when the log has been read to its end by a reading that began after this call; all who ask meanwhile share it.
   *
   * @throws STREAM_ENDED, and what befell the database.
   */
  fresh(): Promise<void> {
    if (this.#isStopped) {
      return Promise.reject(fail('STREAM_ENDED'));
    }
    this.#asked ??= Promise.withResolvers();
    this.#bell.ring();
    return this.#asked.promise;
  }

  /** What was read after a cursor, up to BATCH_MAX changes; undefined when not all of it is remembered. */
  after(cursor: Cursor): Recent | undefined {
    const [from, end] = [this.#from, this.#upTo];
    if (from === undefined || end === undefined || compare(cursor, from) < 0) {
      return undefined;
    }
    const start = firstAfter(this.#memory, cursor);
    const changes = this.#memory.slice(start, start + BATCH_MAX);
    const last = changes.at(-1);
    const isAll = last === undefined || start + BATCH_MAX >= this.#memory.length;
    return { changes, isAll, upTo: isAll ? end : last.cursor, at: this.#at };
  }

  async #follow(): Promise<void> {
    const { pool, memoryMax = MEMORY_MAX } = this.#options;
    let napMs = POLL_MS;
    while (!this.#isStopped) {
      const asked = this.#takeAsked();
      const begunMs = performance.now();
      try {
        // With what a full memory would hold: all who watched the process before it come back at once, with tokens of that time.
        this.#from ??= await this.#answer(cursorBeforeLast(sqlOn(pool), memoryMax));
        const read = await this.#answer(readAfter(pool, this.#upTo ?? this.#from, BATCH_MAX));
        const isEnd = read.changes.length < BATCH_MAX;
        this.#remember(read);
        if (isEnd) {
          asked?.resolve();
          const mostMs = read.held ? HELD_POLL_MS : POLL_MS;
          napMs = read.changes.length > 0 ? BUSY_POLL_MS : Math.min(napMs * 2, mostMs);
          await this.#bell.wait(napMs);
          await this.#pause(begunMs + PACE_MS - performance.now());
        } else if (asked !== undefined) {
          // Not the end yet: the next reading is for those who asked too.
          this.#takeAsked()?.resolve(asked.promise);
          this.#asked = asked;
        }
      } catch (error) {
        asked?.reject(error);
        if (!this.#isStopped) {
          log.warn('the log of changes cannot be read', { error });
          await this.#pause(RECONNECT_MS);
        }
      }
    }
  }

  /** What a reading gives, unless the database says nothing for long, or there is no time left. Its connection is the pool's to give up. */
  async #answer<T>(reading: Promise<T>): Promise<T> {
    const { answerMaxMs = ANSWER_MAX_MS } = this.#options;
    const silence = Promise.withResolvers<never>();
    this.#giveUp = silence.reject;
    if (this.#isStopped) {
      silence.reject(fail('STREAM_ENDED'));
    }
    const timer = setTimeout(() => silence.reject(fail('UNREACHABLE', 'The database does not answer.')), answerMaxMs);
    try {
      return await Promise.race([reading, silence.promise]);
    } finally {
      clearTimeout(timer);
      this.#giveUp = undefined;
    }
  }

  #takeAsked(): PromiseWithResolvers<void> | undefined {
    const asked = this.#asked;
    this.#asked = undefined;
    return asked;
  }

  #remember({ changes, upTo, keptFrom, at }: Read): void {
    const changesBefore = this.#changes;
    const isBroken = this.#upTo !== undefined && keptFrom > this.#keptFrom && this.#upTo.transaction < keptFrom;
    if (isBroken) {
      this.#memory = [];
      this.#from = upTo;
    }
    this.#memory.push(...changes);
    this.#changes += changes.length;
    this.#upTo = later(this.#upTo ?? upTo, upTo);
    this.#at = at ?? this.#at;
    this.#keptFrom = keptFrom;
    this.#batches += 1;
    const { memoryMax = MEMORY_MAX } = this.#options;
    // In steps, so that the array is not moved for every change.
    if (this.#memory.length > memoryMax * 1.1) {
      const dropped = this.#memory.splice(0, this.#memory.length - memoryMax);
      this.#from = dropped.at(-1)?.cursor ?? this.#from;
    }
    this.#onBatch({ changes, upTo: this.#upTo, at: this.#at, isBroken, number: this.#batches, changesBefore });
  }

  /** Waits, whoever rings, until it is to stop. */
  async #pause(ms: number): Promise<void> {
    if (ms > 0) {
      await delay(ms, undefined, { signal: this.#stopped.signal }).catch(() => {});
    }
  }

  /** Keeps a connection that hears of commits. Without it changes are seen `POLL_MS` later. */
  async #listen(): Promise<void> {
    while (!this.#isStopped) {
      const socket = new Socket();
      const client = new Client({
        connectionString: this.#options.databaseUrl,
        application_name: 'changefeed',
        connectionTimeoutMillis: CONNECT_MAX_MS,
        query_timeout: CONNECT_MAX_MS,
        keepAlive: true,
        keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
        stream: () => socket,
      });
      const ended = Promise.withResolvers<void>();
      const end = () => ended.resolve();
      client.once('end', end);
      client.on('error', end);
      this.#stopped.signal.addEventListener('abort', end);
      try {
        client.on('notification', () => this.#bell.ring());
        await Promise.race([listening(client), ended.promise]);
        await ended.promise;
      } catch (error) {
        log.debug('cannot listen for changes', { error });
      } finally {
        this.#stopped.signal.removeEventListener('abort', end);
      }
      // No farewell: a server that fell silent would have to answer it.
      socket.destroy();
      await this.#pause(RECONNECT_MS);
    }
  }
}

async function listening(client: Client): Promise<void> {
  await client.connect();
  await client.query(`LISTEN ${CHANNEL}`);
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
