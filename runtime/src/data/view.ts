/**
 * A view: what the changes of one topic tell, read once for all who watch it. A watcher is woken only for what concerns it.
 *
 * One that begins reads what it missed at its own pace, from the memory of the tail or from the log, and joins the others when it has
 * come near the end. All reading goes through one queue, so that nobody is told something older after something newer.
 */

import { type Timestamp, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { fail, reasonOf } from '../errors/fail.ts';
import { until } from '../server/until.ts';
import type { Batch, ChangeTail } from './change-tail.ts';
import { type Change, type Cursor, compare, later, type Read } from './changes.ts';
import { coalesce } from './coalesce.ts';
import { ResumeTokens } from './resume-token.ts';
import { type Delivery, Subscription, type Told } from './subscription.ts';

/** Something that changes tell. */
export type Fact<F> = {
  readonly value: F;
  /** By which keys its watchers know it, such as its SKU. */
  readonly keys: readonly string[];
};

/** What is watched. */
export type WatchedKeys = {
  /** Whether anyone watches this key, or everything. */
  has(key: string): boolean;
  /** The keys that somebody watches. */
  all(): readonly string[];
};

/** What a view is of. */
export type ViewOptions<F> = {
  readonly topic: string;
  /**
   * Reads how what changed is now, for all watchers at once.
   *
   * @param changes each key once, but for changes with a payload, each of which is there.
   * @returns for each change what it tells, in order; nothing when nobody watches that.
   */
  readonly read: (changes: readonly Change[], watched: WatchedKeys) => Promise<readonly (readonly Fact<F>[])[]>;
};

/** Nothing happened, and the stream is alive and up to date. */
export type BookmarkEvent = { readonly case: 'bookmark'; readonly value: { readonly atTime: Timestamp } };

/** An event, and where to resume after it. */
export type Watched<E> = { readonly resumeToken: string; readonly event: E | BookmarkEvent };

/** A part of a listing. */
export type ListedPart<E> = {
  readonly events: readonly E[];
  /** The position after which the next part begins; undefined after the last. */
  readonly next: string | undefined;
};

/** How one watcher watches. */
export type WatchOptions<F, E> = {
  /** The stream, and what it is narrowed to (SKUs, a customer), as text: a resume token of another scope is refused. */
  readonly scope: string;
  /** The token to resume from; empty lists first. */
  readonly resumeToken: string;
  readonly signal: AbortSignal;
  /** The keys of the facts that it wants to hear of; absent for all. */
  readonly keys?: readonly string[];
  /** Lists what exists, a part at a time: what comes after a position, empty for the beginning. */
  readonly list: (after: string) => Promise<ListedPart<E>>;
  /** What a position looks like. Default: none is accepted, for listings of one part. */
  readonly position?: RegExp;
  /** The event that a fact is to this watcher; undefined for none. */
  readonly tell: (fact: F) => E | undefined;
  /** Silence after which a bookmark is sent, in milliseconds. Default 15,000; below the contract's idle timeout. */
  readonly bookmarkIntervalMs?: number;
};

/** What a view leans on. */
export type ViewParts = {
  readonly tail: ChangeTail;
  /** Reads the next changes of a topic from the log itself. @throws WATCH_HISTORY_GONE */
  readonly readLog: (topic: string, cursor: Cursor) => Promise<Read>;
  /** The cursor before everything that may not be seen yet. */
  readonly snapshot: () => Promise<Cursor>;
};

/** A piece of what a watcher missed. */
type Missed<F> = Pick<Delivery<F>, 'told' | 'upTo'> & {
  /** The time that a bookmark behind it bears; undefined while there is more. */
  readonly joinedAt: Date | undefined;
};

const BOOKMARK_INTERVAL_MS = 15_000;
/** Watchers and batches that are read for at once. */
const READS_MAX = 32;
/** What may befall the database for a while: no reason to end all who watch at once. */
const PASSING: ReadonlySet<string> = new Set(['UNREACHABLE', 'OVERLOADED', 'DEADLINE']);
/** A database that is away is asked again this often, after this pause in milliseconds, before watchers are sent away. */
const READ_ATTEMPTS = 10;
const READ_AGAIN_MS = 500;
const NO_POSITION = /^(?!)/;

/** What all watchers of a topic share. */
export class View<F> {
  readonly #options: ViewOptions<F>;
  readonly #parts: ViewParts;
  readonly #everything = new Set<Subscription<F>>();
  readonly #byKey = new Map<string, Set<Subscription<F>>>();
  readonly #subscriptions = new Set<Subscription<F>>();
  /** These and those that were ended, but have not heard of it: who does not read does not. */
  readonly #present = new Set<Subscription<F>>();
  readonly #watched: WatchedKeys;
  readonly #tellOf: (changes: readonly Change[]) => Promise<readonly Told<F>[]>;
  /** Batches that are being read. */
  #reading = 0;
  /** Up to where watchers have been given everything, and when that was so. */
  #upTo: Cursor | undefined;
  #at = new Date(0);

  constructor(options: ViewOptions<F>, parts: ViewParts) {
    this.#options = options;
    this.#parts = parts;
    this.#watched = {
      has: (key) => this.#everything.size > 0 || this.#byKey.has(key),
      all: () => [...this.#byKey.keys()],
    };
    // One reading at a time, which is what keeps them in order; what comes meanwhile shares the next.
    this.#tellOf = coalesce({ run: (asked) => this.#read(asked), maxInFlight: 1, maxBatch: READS_MAX });
  }

  /**
   * Lists, then follows.
   *
   * @throws RESUME_TOKEN_INVALID, WATCH_HISTORY_GONE, WATCHER_TOO_SLOW, STREAM_ENDED, and what `list` and `read` throw.
   */
  async *watch<E>(options: WatchOptions<F, E>): AsyncGenerator<Watched<E>> {
    const { signal } = options;
    signal.throwIfAborted();
    const subscription = new Subscription<F>(options.keys, (ended) => this.#leave(ended));
    const onAbort = () => subscription.end(signal.reason);
    signal.addEventListener('abort', onAbort);
    this.#enter(subscription);
    this.#present.add(subscription);
    try {
      for await (const watched of this.#events(options, subscription)) {
        subscription.given(true);
        yield watched;
        subscription.given(false);
        subscription.throwIfEnded();
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#leave(subscription);
      this.#present.delete(subscription);
    }
  }

  /** How many watch. */
  get watchers(): number {
    return this.#subscriptions.size;
  }

  /** Takes a batch of the log, of any topics. */
  take(batch: Batch): void {
    if (batch.isBroken) {
      for (const subscription of this.#subscriptions) {
        // Who is not here yet finds out by itself.
        if (subscription.firstBatch <= batch.number) {
          subscription.end(fail('WATCH_HISTORY_GONE'));
        }
      }
    }
    const changes = batch.changes.filter(({ topic }) => topic === this.#options.topic);
    // For those who have joined; who has not reads it by itself when it does.
    if (changes.length > 0 && this.#subscriptions.values().some(({ firstBatch }) => firstBatch <= batch.number)) {
      this.#reading += 1;
      this.#tellOf(changes)
        .then(
          (told) => this.#dispatch(batch, told),
          (error: unknown) => this.endAll(error),
        )
        .finally(() => {
          this.#reading -= 1;
        });
    } else if (this.#reading === 0) {
      this.#advance(batch);
    }
    // With every batch, however empty: what waits may have been read after the last change.
    for (const subscription of this.#subscriptions) {
      subscription.endIfBehind(this.#parts.tail.forgotten);
    }
  }

  /** Ends all watchers. */
  endAll(reason: unknown): void {
    for (const subscription of this.#subscriptions) {
      subscription.end(reason);
    }
  }

  /** Ends the watchers that have not taken an event for so long, and the calls of those that were ended meanwhile. */
  endStalled(stalledMs: number): void {
    for (const subscription of this.#present) {
      subscription.endIfStalled(stalledMs);
    }
  }

  async *#events<E>(options: WatchOptions<F, E>, subscription: Subscription<F>): AsyncGenerator<Watched<E>> {
    const { snapshot } = this.#parts;
    const intervalMs = options.bookmarkIntervalMs ?? BOOKMARK_INTERVAL_MS;
    const tokens = new ResumeTokens(`${this.#options.topic}\n${options.scope}`, options.position ?? NO_POSITION);
    const place =
      options.resumeToken === '' ? { cursor: await snapshot(), listAfter: '' } : tokens.open(options.resumeToken);
    const bookmark = (upTo: Cursor, at: Date): Watched<E> => ({
      resumeToken: tokens.seal({ cursor: upTo }),
      event: { case: 'bookmark', value: { atTime: timestampFromDate(at) } },
    });
    let { cursor } = place;
    if (place.listAfter !== undefined) {
      await this.#requireKept(options, cursor);
      yield* this.#listing(options, tokens, cursor, place.listAfter);
    }
    // Also has the tail look anew: what is told next is complete as of now, not as of when it looked last.
    await this.#requireKept(options, cursor);
    for (let joinedAt: Date | undefined; joinedAt === undefined; ) {
      const missed = await this.#missed(cursor, subscription);
      yield* eventsOf(options, tokens, cursor, missed);
      cursor = later(cursor, missed.upTo);
      joinedAt = missed.joinedAt;
      if (joinedAt !== undefined) {
        yield bookmark(cursor, joinedAt);
      }
      subscription.throwIfEnded();
    }
    let bookmarkAtMs = performance.now() + intervalMs;
    for (;;) {
      const delivery = await subscription.next(bookmarkAtMs - performance.now());
      if (delivery !== undefined) {
        for (const watched of eventsOf(options, tokens, cursor, delivery)) {
          yield watched;
          bookmarkAtMs = performance.now() + intervalMs;
        }
        cursor = later(cursor, delivery.upTo);
      }
      // Also when there were changes, but none that it is told of.
      if (subscription.isUpToDate && performance.now() >= bookmarkAtMs) {
        cursor = later(cursor, this.#upTo ?? cursor);
        yield bookmark(cursor, this.#at);
        bookmarkAtMs = performance.now() + intervalMs;
      }
    }
  }

  /** Asks the log whether a token still leads anywhere. The cursor of a listing that has just begun does. */
  async #requireKept<E>({ signal, resumeToken }: WatchOptions<F, E>, cursor: Cursor): Promise<void> {
    const { tail } = this.#parts;
    await until(signal, tail.fresh());
    if (resumeToken !== '' && !tail.isKept(cursor)) {
      throw fail('WATCH_HISTORY_GONE');
    }
  }

  /**
   * The listing, from a position on. Each part is read when the one before was taken, and is of its own moment: changes after the cursor,
   * which is older than all of them, complete it.
   */
  async *#listing<E>(
    { list }: WatchOptions<F, E>,
    tokens: ResumeTokens,
    cursor: Cursor,
    from: string,
  ): AsyncGenerator<Watched<E>> {
    for (let after: string | undefined = from; after !== undefined; ) {
      const { events, next }: ListedPart<E> = await list(after);
      const within = tokens.seal({ cursor, listAfter: after });
      for (const [index, event] of events.entries()) {
        const isLast = index === events.length - 1 && next !== undefined;
        yield { resumeToken: isLast ? tokens.seal({ cursor, listAfter: next }) : within, event };
      }
      after = next;
    }
  }

  /** The next of what a watcher missed; when that is all, it is given what comes after from now on. */
  async #missed(cursor: Cursor, subscription: Subscription<F>): Promise<Missed<F>> {
    const { tail, readLog } = this.#parts;
    const { topic } = this.#options;
    const recent = tail.after(cursor);
    if (recent === undefined) {
      const { changes, upTo } = await readLog(topic, cursor);
      return { told: subscription.ownOf(await this.#tellOf(changes)), upTo, joinedAt: undefined };
    }
    const { isAll, upTo, at } = recent;
    if (isAll) {
      subscription.firstBatch = tail.batches + 1;
    }
    // Asked for in the same turn, and so read before the batches that are to come.
    const changes = recent.changes.filter((change) => change.topic === topic);
    return { told: subscription.ownOf(await this.#tellOf(changes)), upTo, joinedAt: isAll ? at : undefined };
  }

  /** Reads what each of the lists of changes tells, in one reading. */
  async #read(asked: readonly (readonly Change[])[]): Promise<Told<F>[][]> {
    const lists = asked.map(lastMentions);
    const named = new Map(lists.flatMap((changes) => changes.map((change) => [identityOf(change), change] as const)));
    const facts = named.size === 0 ? [] : await this.#readFacts([...named.values()]);
    const byIdentity = new Map([...named.keys()].map((identity, index) => [identity, facts[index] ?? []] as const));
    return lists.map((changes) =>
      changes.flatMap((change) =>
        (byIdentity.get(identityOf(change)) ?? []).map(({ value, keys }) => ({ value, keys, cursor: change.cursor })),
      ),
    );
  }

  async #readFacts(changes: readonly Change[]): Promise<readonly (readonly Fact<F>[])[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#options.read(changes, this.#watched);
      } catch (error) {
        if (!PASSING.has(reasonOf(error) ?? '') || attempt === READ_ATTEMPTS) {
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, READ_AGAIN_MS));
      }
    }
  }

  /** Gives what a batch tells to those whom it concerns. */
  #dispatch(batch: Batch, told: readonly Told<F>[]): void {
    const { upTo, number, changesBefore } = batch;
    if (told.length > 0) {
      const everything: Delivery<F> = { told, upTo, changesBefore };
      for (const subscription of this.#everything) {
        if (subscription.firstBatch <= number) {
          subscription.push(everything);
        }
      }
      for (const [subscription, own] of this.#concerned(told, number)) {
        subscription.push({ told: own, upTo, changesBefore });
      }
    }
    this.#advance(batch);
  }

  #concerned(told: readonly Told<F>[], number: number): Map<Subscription<F>, Told<F>[]> {
    const concerned = new Map<Subscription<F>, Told<F>[]>();
    for (const one of told) {
      for (const subscription of one.keys.flatMap((key) => [...(this.#byKey.get(key) ?? [])])) {
        const own = concerned.get(subscription);
        if (subscription.firstBatch > number) {
          continue;
        }
        if (own === undefined) {
          concerned.set(subscription, [one]);
        } else if (own.at(-1) !== one) {
          own.push(one);
        }
      }
    }
    return concerned;
  }

  #advance({ upTo, at }: Batch): void {
    this.#upTo = upTo;
    this.#at = at;
  }

  #enter(subscription: Subscription<F>): void {
    this.#subscriptions.add(subscription);
    if (subscription.keys === undefined) {
      this.#everything.add(subscription);
    }
    for (const key of subscription.keys ?? []) {
      const watchers = this.#byKey.get(key) ?? new Set();
      this.#byKey.set(key, watchers.add(subscription));
    }
  }

  #leave(subscription: Subscription<F>): void {
    this.#subscriptions.delete(subscription);
    this.#everything.delete(subscription);
    for (const key of subscription.keys ?? []) {
      const watchers = this.#byKey.get(key);
      watchers?.delete(subscription);
      if (watchers?.size === 0) {
        this.#byKey.delete(key);
      }
    }
  }
}

/**
 * The events of a delivery, but for what a watcher that read the log by itself was told from it: that may reach further than what the tail had read
 * as they met. The token of each is that of its change, once everything that the change tells has been told.
 */
function* eventsOf<F, E>(
  { tell }: WatchOptions<F, E>,
  tokens: ResumeTokens,
  from: Cursor,
  { told, upTo }: Pick<Delivery<F>, 'told' | 'upTo'>,
): Generator<Watched<E>> {
  const news = told.filter(({ cursor }) => compare(cursor, from) > 0);
  let seen = from;
  for (const [index, { value, cursor }] of news.entries()) {
    const next = news[index + 1];
    if (next === undefined) {
      seen = later(from, upTo);
    } else if (compare(next.cursor, cursor) > 0) {
      seen = cursor;
    }
    const event = tell(value);
    if (event !== undefined) {
      yield { resumeToken: tokens.seal({ cursor: seen }), event };
    }
  }
}

/** Each key once, where it was mentioned last; and every change with a payload. */
function lastMentions(changes: readonly Change[]): readonly Change[] {
  const last = new Map(changes.map((change) => [identityOf(change), change]));
  return changes.filter((change) => last.get(identityOf(change)) === change);
}

/** Changes that are the same to watchers have the same. */
function identityOf(change: Change): string | Change {
  return change.payload.length === 0 ? change.key : change;
}
