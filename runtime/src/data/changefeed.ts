/**
 * Watch streams over the log of changes: one reader of the log in each process, any number of watchers of what it read.
 *
 * A watcher that reads too slowly costs no more memory than the tail itself remembers: it is told WATCHER_TOO_SLOW when more than that
 * waits for it, and reads the log at its own pace when it comes back with its token. One that comes back when the log itself has
 * forgotten is told WATCH_HISTORY_GONE.
 */

import type { Pool } from 'pg';
import { fail } from '../errors/fail.ts';
import { BATCH_MAX, ChangeTail, type TailOptions } from './change-tail.ts';
import { type Cursor, currentSnapshot, type Read, readAfter } from './changes.ts';
import { coalesce } from './coalesce.ts';
import { sqlOn } from './pool.ts';
import { View, type ViewOptions } from './view.ts';

/** Where the log is, and what is borne of watchers. */
export type ChangefeedOptions = TailOptions & {
  /** A watcher that does not take an event for so long is ended, in milliseconds. Default 30,000. */
  readonly stalledMs?: number;
};

const STALLED_MS = 30_000;
/** Watchers that read the log by themselves at once: they must not take the connections of those who do not. */
const LOG_READERS_MAX = 2;

/** The changes of a workload, and who watches them. */
export class Changefeed {
  readonly #pool: Pool;
  readonly #tail: ChangeTail;
  readonly #views = new Set<Pick<View<never>, 'take' | 'endAll' | 'endStalled' | 'watchers'>>();
  readonly #stalledMs: number;
  readonly #readLog: (asked: { readonly topic: string; readonly cursor: Cursor }) => Promise<Read>;
  #looking: NodeJS.Timeout | undefined;

  constructor(options: ChangefeedOptions) {
    this.#pool = options.pool;
    this.#stalledMs = options.stalledMs ?? STALLED_MS;
    this.#tail = new ChangeTail(options, (batch) => {
      for (const view of this.#views) {
        view.take(batch);
      }
    });
    this.#readLog = coalesce({
      run: async (asked) => await Promise.all(asked.map(({ topic, cursor }) => this.#readAfter(topic, cursor))),
      maxBatch: 1,
      maxInFlight: LOG_READERS_MAX,
    });
  }

  /** Begins to read. A database that is away is waited for. */
  start(): void {
    this.#tail.start();
    this.#looking ??= setInterval(() => {
      for (const view of this.#views) {
        view.endStalled(this.#stalledMs);
      }
    }, this.#stalledMs / 4).unref();
  }

  /** Stops reading; watchers end with STREAM_ENDED. */
  async stop(): Promise<void> {
    clearInterval(this.#looking);
    for (const view of this.#views) {
      view.endAll(fail('STREAM_ENDED'));
    }
    await this.#tail.stop();
  }

  /** How many watch, over all views. */
  get watchers(): number {
    return [...this.#views].reduce((sum, view) => sum + view.watchers, 0);
  }

  /** A view of a topic, to be watched. Made once, for all who will. */
  view<F>(options: ViewOptions<F>): View<F> {
    const view = new View<F>(options, {
      tail: this.#tail,
      readLog: (topic, cursor) => this.#readLog({ topic, cursor }),
      snapshot: async () => (await currentSnapshot(sqlOn(this.#pool))).cursor,
    });
    this.#views.add(view);
    return view;
  }

  async #readAfter(topic: string, cursor: Cursor): Promise<Read> {
    const read = await readAfter(this.#pool, cursor, BATCH_MAX, topic);
    if (cursor.transaction < read.keptFrom) {
      throw fail('WATCH_HISTORY_GONE');
    }
    return read;
  }
}
