/**
 * For tests of Watch streams: reads one message by message.
 */

import { waitFor } from '../../../dev/src/wait.ts';
import type { TestInventory } from './harness.ts';

/** A message of any Watch stream. */
export type Message = {
  readonly resumeToken: string;
  readonly event: { case?: string | undefined; value?: unknown };
};

/** Reads a stream message by message; `until` collects events up to one that is looked for. */
export class Reader<M extends Message> {
  readonly #stop = new AbortController();
  readonly #messages: AsyncIterator<M>;
  resumeToken = '';

  constructor(open: (options: { signal: AbortSignal }) => AsyncIterable<M>) {
    this.#messages = open({ signal: this.#stop.signal })[Symbol.asyncIterator]();
  }

  async next(): Promise<M['event']> {
    const { done, value } = await this.#messages.next();
    if (done) {
      throw new Error('the stream ended');
    }
    this.resumeToken = value.resumeToken;
    return value.event;
  }

  /** Everything up to the first event for which `isIt`, that one included. */
  async until(isIt: (event: M['event']) => boolean): Promise<M['event'][]> {
    const events = [];
    for (;;) {
      const event = await this.next();
      events.push(event);
      if (isIt(event)) {
        return events;
      }
    }
  }

  close(): void {
    this.#stop.abort();
    this.#messages.next().catch(() => {});
  }
}

export const isBookmark = (event: { case?: string | undefined }) => event.case === 'bookmark';

/**
 * Waits until what was written so far can only be listed. While a transaction is open that began before, anywhere in the cluster,
 * a stream may list something and then tell it again.
 */
export const untilSettled = ({ pool }: TestInventory) =>
  waitFor(
    'the end of the transactions of before',
    async () => {
      const { rows } = await pool.query(
        'SELECT FROM changes WHERE transaction >= pg_snapshot_xmin(pg_current_snapshot()) LIMIT 1',
      );
      return rows.length === 0;
    },
    { withinMs: 10_000 },
  );
