/**
 * What the Watch streams of inventory have in common: each lists what exists on a snapshot, a part at a time, and then reads
 * anew what changes name.
 */

import type { WatchEvent, Watched } from '@weft/runtime/data/changefeed';
import type { Change } from '@weft/runtime/data/changes';

/** Rows that a listing reads at once. */
export const PART_SIZE = 500;

/** Something is like this now; or the stream is alive. For streams of what is never deleted. */
export type Lasting<T> = Exclude<WatchEvent<T>, { case: 'deleted' }>;

/** The messages of a stream of what is never deleted. */
export async function* lasting<T>(events: AsyncIterable<Watched<T>>) {
  for await (const { resumeToken, event } of events) {
    if (event.case !== 'deleted') {
      yield { resumeToken, event };
    }
  }
}

/** What changes name, each once, in the order of the last mention. */
export function keysOf(changes: readonly Change[]): string[] {
  return [...new Set(changes.map(({ key }) => key).reverse())].reverse();
}

/** The event that says: it is like this now. */
export function changed<T>(value: T): { readonly case: 'changed'; readonly value: T } {
  return { case: 'changed', value };
}

/**
 * Reads a listing part by part, each after the last row of the part before.
 *
 * @param read gives up to PART_SIZE rows after a row; from the beginning without one.
 */
export async function* inParts<T>(read: (after: T | undefined) => Promise<readonly T[]>): AsyncGenerator<readonly T[]> {
  let last: T | undefined;
  for (;;) {
    const part = await read(last);
    yield part;
    last = part.at(-1);
    if (part.length < PART_SIZE) {
      return;
    }
  }
}
