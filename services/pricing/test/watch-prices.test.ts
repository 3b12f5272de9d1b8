// The stream of prices: every change of what a unit costs is told, also one that comes with the clock, and nothing else is.

import { purgeChanges } from '@weft/runtime/data/changes';
import { reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { tellTimedChanges } from '../src/price-book.ts';
import { aPrice, at, type Clients, eventually, fromNow, putPrices, startPricing, type TestPricing } from './harness.ts';

let pricing: TestPricing;
let second: Clients;
beforeAll(async () => {
  pricing = await startPricing();
  second = await pricing.replica();
});
afterAll(() => pricing?.stop());

type Request = { skus: string[]; currencyCode?: string; resumeToken?: string };
type Event = { case?: string | undefined; value?: unknown };

const opened: Reader[] = [];
afterEach(() => {
  for (const reader of opened.splice(0)) {
    reader.close();
  }
});

/** Reads a stream message by message. */
class Reader {
  readonly #stop = new AbortController();
  readonly #messages;
  resumeToken = '';

  constructor({ skus, currencyCode = 'EUR', resumeToken = '' }: Request, { prices }: Clients = pricing) {
    const stream = prices.watchPrices({ skus, currencyCode, resumeToken }, { signal: this.#stop.signal });
    this.#messages = stream[Symbol.asyncIterator]();
    opened.push(this);
  }

  async next(): Promise<Event> {
    const { done, value } = await this.#messages.next();
    if (done) {
      throw new Error('the stream ended');
    }
    this.resumeToken = value.resumeToken;
    return value.event;
  }

  /** Everything up to the first event for which `isIt`, that one included. */
  async until(isIt: (event: Event) => boolean): Promise<Event[]> {
    const events = [];
    for (;;) {
      const event = await this.next();
      events.push(event);
      if (isIt(event)) {
        return events;
      }
    }
  }

  /** The next event that says something. */
  async news(): Promise<Event> {
    const events = await this.until((event) => !isBookmark(event));
    return events.at(-1) ?? {};
  }

  close(): void {
    this.#stop.abort();
    this.#messages.next().catch(() => {});
  }
}

const isBookmark = (event: Event) => event.case === 'bookmark';
/** What one unit costs after an event; undefined when there is no price any more. */
const amountOf = (event: Event) =>
  event.case === 'changed' ? (event.value as { unitPrice: { minorUnits: bigint } }).unitPrice.minorUnits : undefined;
const changed = (sku: string, minorUnits: bigint) => ({
  case: 'changed',
  value: expect.objectContaining({ sku, unitPrice: expect.objectContaining({ minorUnits }) }),
});
const gone = (sku: string) => ({ case: 'deletedSku', value: sku });
const bookmark = expect.objectContaining({ case: 'bookmark' });
const put = (...prices: Parameters<typeof putPrices>[1][]) => putPrices(pricing, ...prices);

/** Entries of the log about a SKU in euros. */
const changesOf = async (sku: string) => {
  const { rows } = await pricing.pool.query('SELECT FROM changes WHERE topic = $1 AND key = $2', [
    'prices',
    `${sku} EUR`,
  ]);
  return rows.length;
};

test('lists what has a price, then tells every change, a withdrawal included', async () => {
  await put(aPrice('W-1', 100n), aPrice('W-1', 90n, { minQuantity: 2n }), aPrice('W-1', 70n, { currencyCode: 'USD' }));
  const reader = new Reader({ skus: ['W-2', 'W-1'] });
  expect(await reader.until(isBookmark)).toEqual([changed('W-1', 100n), bookmark]);
  await put(aPrice('W-1', 110n));
  expect(await reader.news()).toEqual(changed('W-1', 110n));
  await put(aPrice('W-2', 5n), aPrice('W-1', 120n));
  const both = [await reader.news(), await reader.news()];
  expect(both).toContainEqual(changed('W-1', 120n));
  expect(both).toContainEqual(changed('W-2', 5n));
  // Its end lies in the past: it holds no more.
  await put(aPrice('W-2', 5n, { endTime: at('2020-01-01T00:00:00Z') }));
  expect(await reader.news()).toEqual(gone('W-2'));
});

test('tells nothing that a single unit does not cost: tiers, other currencies, later years, repetitions', async () => {
  await put(aPrice('W-3', 100n));
  const reader = new Reader({ skus: ['W-3'] });
  await reader.until(isBookmark);
  await put(
    aPrice('W-3', 80n, { minQuantity: 10n }),
    aPrice('W-3', 110n, { currencyCode: 'USD' }),
    aPrice('W-3', 50n, { startTime: at('2999-01-01T00:00:00Z') }),
    aPrice('W-4', 1n),
  );
  await put(aPrice('W-3', 100n));
  const before = await changesOf('W-3');
  // Not even woken: watchers of a SKU with many tiers would read the price book for each.
  await put(aPrice('W-3', 70n, { minQuantity: 20n }));
  expect(await changesOf('W-3')).toBe(before);
  await put(aPrice('W-3', 101n));
  expect(await reader.news()).toEqual(changed('W-3', 101n));
});

describe('a resume token', () => {
  test('goes on where the stream ended: what was missed is told as it is now', async () => {
    await put(aPrice('W-5', 1n), aPrice('W-6', 1n), aPrice('W-7', 1n));
    const first = new Reader({ skus: ['W-5', 'W-6', 'W-7'] });
    await first.until(isBookmark);
    const { resumeToken } = first;
    first.close();
    await put(aPrice('W-5', 2n));
    await put(aPrice('W-5', 3n), aPrice('W-6', 1n, { endTime: at('2020-01-01T00:00:00Z') }));
    // Any replica goes on, and the order of the SKUs is nobody's business.
    const resumed = new Reader({ skus: ['W-7', 'W-6', 'W-5'], resumeToken }, second);
    const missed: Event[] = [];
    // A replica may say that it is alive before it has read the log that far.
    while (!missed.some((event) => amountOf(event) === 3n) || !missed.some((event) => event.case === 'deletedSku')) {
      missed.push(await resumed.news());
    }
    expect(missed).toContainEqual(changed('W-5', 3n));
    expect(missed).toContainEqual(gone('W-6'));
    // What was listed may be told once more, if an older transaction was still running; never what it was meanwhile.
    expect(missed).not.toContainEqual(changed('W-5', 2n));
  });

  test('taken after a change does not tell that change again', async () => {
    await put(aPrice('W-8', 1n));
    const first = new Reader({ skus: ['W-8'] });
    await first.until(isBookmark);
    await put(aPrice('W-8', 2n));
    await first.news();
    const { resumeToken } = first;
    await put(aPrice('W-8', 3n));
    const resumed = new Reader({ skus: ['W-8'], resumeToken });
    expect(await resumed.news()).toEqual(changed('W-8', 3n));
  });

  test('tells nothing of another currency that somebody else watches', async () => {
    const dollars = { currencyCode: 'USD' };
    await put(aPrice('W-13', 1n), aPrice('W-13', 2n, dollars));
    const [first, other] = [new Reader({ skus: ['W-13'] }), new Reader({ skus: ['W-13'], ...dollars })];
    await Promise.all([first.until(isBookmark), other.until(isBookmark)]);
    first.close();
    await put(aPrice('W-13', 2n, { ...dollars, endTime: at('2020-01-01T00:00:00Z') }));
    await other.until((event) => event.case === 'deletedSku');
    await put(aPrice('W-13', 3n));
    const resumed = new Reader({ skus: ['W-13'], resumeToken: first.resumeToken });
    expect(await resumed.until((event) => amountOf(event) === 3n)).not.toContainEqual(gone('W-13'));
  });

  test('of other SKUs, of another currency, or made up is refused', async () => {
    const reader = new Reader({ skus: ['W-1', 'W-2'] });
    await reader.until(isBookmark);
    const { resumeToken } = reader;
    const requests = [
      { skus: ['W-1'], resumeToken },
      { skus: ['W-1', 'W-2', 'W-3'], resumeToken },
      { skus: ['W-1', 'W-2'], currencyCode: 'USD', resumeToken },
      { skus: ['W-1', 'W-2'], resumeToken: 'nonsense' },
      { skus: ['W-1', 'W-2'], resumeToken: resumeToken.slice(1) },
    ];
    for (const request of requests) {
      const error = await new Reader(request).next().catch((caught: unknown) => caught);
      expect(reasonOf(error)).toBe('RESUME_TOKEN_INVALID');
    }
  });

  test('whose history was forgotten is told so; watching anew lists', async () => {
    await put(aPrice('W-9', 1n));
    const reader = new Reader({ skus: ['W-9'] });
    await reader.until(isBookmark);
    const { resumeToken } = reader;
    reader.close();
    await put(aPrice('W-9', 2n));
    await pricing.pool.query("UPDATE changes SET create_time = create_time - interval '25 hours'");
    await purgeChanges(pricing.pool);
    const error = await new Reader({ skus: ['W-9'], resumeToken }).next().catch((caught: unknown) => caught);
    expect(reasonOf(error)).toBe('WATCH_HISTORY_GONE');
    expect(await new Reader({ skus: ['W-9'] }).until(isBookmark)).toEqual([changed('W-9', 2n), bookmark]);
  });
});

test('a request that makes no sense is refused', async () => {
  const requests: [Request, string][] = [
    [{ skus: [] }, 'INVALID_FIELD'],
    [{ skus: ['W-1', 'W-1'] }, 'INVALID_FIELD'],
    [{ skus: ['w 1'] }, 'INVALID_FIELD'],
    [{ skus: Array.from({ length: 201 }, (_, index) => `W-${index}`) }, 'INVALID_FIELD'],
    [{ skus: ['W-1'], currencyCode: 'ZZZ' }, 'CURRENCY_UNSUPPORTED'],
  ];
  for (const [request, reason] of requests) {
    const error = await new Reader(request).next().catch((caught: unknown) => caught);
    expect(reasonOf(error)).toBe(reason);
  }
});

describe('with two replicas, the clock', () => {
  /** What a stream tells until one more unit costs so much; undefined where there is no price. */
  const toldUntil = async (reader: Reader, minorUnits: bigint | undefined) => {
    const events = await reader.until((event) => !isBookmark(event) && amountOf(event) === minorUnits);
    return events.filter((event) => !isBookmark(event)).map(amountOf);
  };

  // Each step waits for the one before, so that no two of them become one on a slow machine.
  test('begins and ends a price, which each stream is told exactly once', async () => {
    await put(aPrice('W-10', 100n));
    const readers = [pricing, second].map((one) => new Reader({ skus: ['W-10'] }, one));
    for (const reader of readers) {
      await reader.until(isBookmark);
    }
    const before = await changesOf('W-10');
    const startTime = fromNow(500);
    await put(aPrice('W-10', 80n, { startTime }), aPrice('W-10', 60n, { startTime, minQuantity: 5n }));
    for (const reader of readers) {
      expect(await toldUntil(reader, 80n)).toEqual([80n]);
    }
    await put(aPrice('W-10', 80n, { startTime, endTime: fromNow(500) }));
    for (const reader of readers) {
      // Told with its end first, unless that was over as soon as it was written.
      expect((await toldUntil(reader, 100n)).filter((amount) => amount !== 80n)).toEqual([100n]);
    }
    await put(aPrice('W-10', 101n), aPrice('W-NEXT', 1n, { startTime: fromNow(200) }));
    for (const reader of readers) {
      expect(await toldUntil(reader, 101n)).toEqual([101n]);
    }
    // Once the clock has told of a later price, it has told all that it had to say about the earlier one.
    await eventually(
      () => changesOf('W-NEXT'),
      (count) => count === 2,
    );
    // Three times written, begun, ended: one entry of the log each, although two replicas look at the clock.
    expect((await changesOf('W-10')) - before).toBe(5);
  });

  test('gives an item its first price and takes its last', async () => {
    const readers = [pricing, second].map((one) => new Reader({ skus: ['W-11'] }, one));
    for (const reader of readers) {
      expect(await reader.until(isBookmark)).toEqual([bookmark]);
    }
    const startTime = fromNow(300);
    await put(aPrice('W-11', 9n, { startTime }));
    for (const reader of readers) {
      expect(await toldUntil(reader, 9n)).toEqual([9n]);
    }
    await put(aPrice('W-11', 8n, { startTime, endTime: fromNow(300) }));
    for (const reader of readers) {
      expect((await toldUntil(reader, undefined)).at(-1)).toBeUndefined();
    }
  });

  test('tells who resumes later what came with time in between', async () => {
    const reader = new Reader({ skus: ['W-12'] });
    await reader.until(isBookmark);
    const { resumeToken } = reader;
    reader.close();
    const before = await changesOf('W-12');
    await put(aPrice('W-12', 9n, { startTime: fromNow(200) }));
    await eventually(
      () => changesOf('W-12'),
      (count) => count === before + 2,
    );
    const resumed = new Reader({ skus: ['W-12'], resumeToken }, second);
    expect(await resumed.news()).toEqual(changed('W-12', 9n));
  });
});

test('however many look at the clock at once, one of them tells', async () => {
  // Nobody looks but the test.
  const idle = await startPricing({ sweepIntervalMs: 3_600_000 });
  try {
    const told = async () => (await idle.pool.query<{ key: string }>('SELECT key FROM changes ORDER BY position')).rows;
    const startTime = fromNow(200);
    const tier = aPrice('TIER', 1n, { startTime, minQuantity: 2n });
    await putPrices(idle, aPrice('A', 1n, { startTime }), aPrice('B', 1n, { startTime }), tier);
    await eventually(
      async () => (await idle.pool.query('SELECT FROM prices WHERE start_time > clock_timestamp()')).rowCount,
      (later) => later === 0,
    );
    await Promise.all(Array.from({ length: 12 }, () => tellTimedChanges(idle.pool)));
    expect((await told()).map(({ key }) => key).toSorted()).toEqual(['A EUR', 'A EUR', 'B EUR', 'B EUR']);
  } finally {
    await idle.stop();
  }
});
