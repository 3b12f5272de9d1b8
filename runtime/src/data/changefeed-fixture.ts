/**
 * For the tests of the changefeed: a view of one topic whose reading can be held up, a table to list, and what was taken as text.
 */

import type { Pool } from 'pg';
import { reasonOf } from '../errors/fail.ts';
import { Changefeed, type ChangefeedOptions } from './changefeed.ts';
import { append } from './changes.ts';
import { query, transaction } from './pool.ts';
import type { View, Watched, WatchedKeys, WatchOptions } from './view.ts';
import { changed } from './watching.ts';

/**
 * A view of the topic `items`: what changes tell is their key, or `key=payload`; of `a|b` it is both. Watchers may know it by its
 * first letter.
 */
export class Fixture {
  readonly feed: Changefeed;
  readonly view: View<string>;
  readonly #pool: Pool;
  /** Each reading: the keys it was asked for. */
  readonly readings: string[][] = [];
  /** Awaited by each reading. */
  gate: Promise<unknown> = Promise.resolve();

  constructor({ pool, url }: { pool: Pool; url: string }, options: Partial<ChangefeedOptions> = {}) {
    this.#pool = pool;
    this.feed = new Changefeed({ pool, databaseUrl: url, ...options });
    this.view = this.feed.view<string>({
      topic: 'items',
      read: async (changes, watched: WatchedKeys) => {
        this.readings.push(changes.map(({ key }) => key));
        await this.gate;
        return changes.map(({ key, payload }) =>
          key
            .split('|')
            .filter((one) => watched.has(one.charAt(0)))
            .map((one) => ({
              value: payload.length === 0 ? one : `${one}=${Buffer.from(payload)}`,
              keys: [one.charAt(0)],
            })),
        );
      },
    });
    this.feed.start();
  }

  watch(options: Partial<WatchOptions<string, Event>> = {}) {
    return this.view.watch<Event>({
      scope: '',
      resumeToken: '',
      signal: new AbortController().signal,
      bookmarkIntervalMs: 10_000,
      position: /^[a-z]\d*$/,
      list: listThings(this.#pool, 500),
      tell: changed,
      ...options,
    });
  }

  /** Up to the first event that is called so, or is a bookmark where that is asked for. */
  async take(until: string, options: Partial<WatchOptions<string, Event>> = {}): Promise<Watched<Event>[]> {
    const taken: Watched<Event>[] = [];
    for await (const watched of this.watch(options)) {
      taken.push(watched);
      if (watched.event.case === until || watched.event.value === until) break;
    }
    return taken;
  }
}

export type Event = { readonly case: 'changed'; readonly value: string };

/** Lists the table, some rows at a time. */
export function listThings(pool: Pool, size: number) {
  return async (after: string) => {
    const rows = await query<{ name: string }>(pool, 'SELECT name FROM things WHERE name > $1 ORDER BY name LIMIT $2', [
      after,
      size,
    ]);
    return {
      events: rows.map(({ name }) => changed(name)),
      next: rows.length < size ? undefined : rows.at(-1)?.name,
    };
  };
}

/** A change of the topic `items`, unless another is named. */
export const change = (key: string, { topic = 'items', payload = '' } = {}) => ({
  topic,
  key,
  payload: Buffer.from(payload),
});
/** Writes changes in one transaction. */
export const writeTo = (pool: Pool, ...keys: string[]) =>
  transaction(pool, (tx) =>
    append(
      tx,
      keys.map((key) => change(key)),
    ),
  );
export const told = (taken: readonly Watched<Event>[]) =>
  taken.map(({ event }) => (event.case === 'bookmark' ? 'bookmark' : event.value));
export const tokenOf = (taken: readonly Watched<Event>[]) => taken.at(-1)?.resumeToken ?? '';
export const reasonFrom = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => reasonOf(error) ?? error,
  );
