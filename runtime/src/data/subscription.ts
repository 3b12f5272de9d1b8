/**
 * One watcher as its view sees it: what waits for it, and its end. What waits is shared with all who wait for the same, and is bounded by
 * the memory of the tail: a watcher for whom something older waits is ended.
 */

import { fail } from '../errors/fail.ts';
import { type Call, currentCall } from '../server/call.ts';
import { ServerCall } from '../server/server-call.ts';
import { Bell } from './bell.ts';
import type { Cursor } from './changes.ts';

/** Something that a change tells, and the change's place in the log. */
export type Told<F> = {
  readonly value: F;
  /** By which keys its watchers know it. */
  readonly keys: readonly string[];
  readonly cursor: Cursor;
};

/** What a batch of the log tells a watcher. */
export type Delivery<F> = {
  readonly told: readonly Told<F>[];
  readonly upTo: Cursor;
  /** Changes that were read before its batch. */
  readonly changesBefore: number;
};

/** A watcher. It is made in the call that it serves. */
export class Subscription<F> {
  /** What it wants to hear of; undefined for everything. */
  readonly keys: readonly string[] | undefined;
  /** The first batch that is for it; what came before it reads by itself. */
  firstBatch = Number.POSITIVE_INFINITY;
  readonly #call: Call | undefined = currentCall();
  readonly #bell = new Bell();
  #waiting: Delivery<F>[] = [];
  #reason: unknown;
  #hasEnded = false;
  /** Since when it has an event in its hands; undefined while it asks for one. */
  #givenAtMs: number | undefined;

  readonly #onEnd: (ended: this) => void;

  /** @param onEnd told when nothing is for it any longer, at once: who does not read may never be heard of again. */
  constructor(keys: readonly string[] | undefined, onEnd: (ended: Subscription<F>) => void) {
    this.keys = keys;
    this.#onEnd = onEnd;
  }

  /** What of this it wants to hear of: what is read for all who watch tells of others' keys too. */
  ownOf(told: readonly Told<F>[]): readonly Told<F>[] {
    if (this.keys === undefined || told.length === 0) {
      return told;
    }
    const keys = new Set(this.keys);
    return told.filter((one) => one.keys.some((key) => keys.has(key)));
  }

  push(delivery: Delivery<F>): void {
    if (!this.#hasEnded) {
      this.#waiting.push(delivery);
      this.#bell.ring();
    }
  }

  get isUpToDate(): boolean {
    return this.#waiting.length === 0;
  }

  /** What comes next; undefined when nothing came within `ms`, or perhaps earlier. @throws the reason of its end. */
  async next(ms: number): Promise<Delivery<F> | undefined> {
    this.throwIfEnded();
    if (this.#waiting.length === 0) {
      await this.#bell.wait(ms);
      this.throwIfEnded();
    }
    return this.#waiting.shift();
  }

  /** Ends it: it throws `reason` as soon as it asks for more, and nothing waits for it any longer. */
  end(reason: unknown): void {
    if (!this.#hasEnded) {
      this.#hasEnded = true;
      this.#reason = reason;
      this.#waiting = [];
      this.#bell.ring();
      this.#onEnd(this);
    }
  }

  throwIfEnded(): void {
    if (this.#hasEnded) {
      throw this.#reason;
    }
  }

  /** Ends it when something waits for it that is older than what is remembered. */
  endIfBehind(forgotten: number): void {
    const [oldest] = this.#waiting;
    if (oldest !== undefined && oldest.changesBefore < forgotten) {
      this.end(fail('WATCHER_TOO_SLOW'));
    }
  }

  /** Notes that it was given an event, or asks for the next. */
  given(isInHands: boolean): void {
    this.#givenAtMs = isInHands ? performance.now() : undefined;
  }

  /** Ends its call when it has not taken an event for so long: whoever does not read does not hear that it was ended either, whatever for. */
  endIfStalled(stalledMs: number): void {
    if (this.#givenAtMs !== undefined && performance.now() - this.#givenAtMs > stalledMs) {
      const reason = fail('WATCHER_TOO_SLOW');
      this.end(reason);
      if (this.#call instanceof ServerCall) {
        this.#call.abort(reason);
      }
    }
  }
}
