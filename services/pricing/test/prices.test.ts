// The price book: all of a batch or none of it, once however often it is sent, and pages that skip nothing and take no forgery.

import { create, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import {
  BatchUpsertPricesResponseSchema,
  ListPricesRequestSchema,
} from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { sealPageToken } from '@weft/runtime/data/page';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { aPrice, at, outcomeOf, putPrices, putRate, startPricing, type TestPricing } from './harness.ts';

let pricing: TestPricing;
beforeAll(async () => {
  pricing = await startPricing();
});
afterAll(() => pricing?.stop());

const put = (...prices: Parameters<typeof putPrices>[1][]) => putPrices(pricing, ...prices);
/** What one unit costs; undefined without a price. */
async function unitPrice(sku: string): Promise<bigint | undefined> {
  const { prices } = await pricing.prices.resolvePrices({ lines: [{ sku, quantity: 1n }], currencyCode: 'EUR' });
  return prices[0]?.price?.unitPrice?.minorUnits;
}
const revision = async (): Promise<bigint> =>
  (await pricing.pool.query<{ revision: bigint }>('SELECT revision FROM price_book')).rows[0]?.revision ?? -1n;
const failureOf = (call: Promise<unknown>) => call.catch((error: unknown) => error);

describe('a batch', () => {
  test('gives the prices back as they are stored, in the order sent', async () => {
    const prices = [
      aPrice('BATCH-2', 0n, { startTime: at('2020-02-29T23:59:59.999Z'), endTime: at('9999-12-31T23:59:59.999Z') }),
      aPrice('BATCH-1', 1_000_000_000_000n, { currencyCode: 'KWD', taxInclusive: false, minQuantity: 1_000_000_000n }),
      aPrice('BATCH-1', 5n, { startTime: { seconds: 1n, nanos: 123_456_789 } }),
    ];
    const { prices: written } = await put(...prices);
    expect(written.map(({ sku }) => sku)).toEqual(['BATCH-2', 'BATCH-1', 'BATCH-1']);
    expect(written[0]).toMatchObject(prices[0] ?? {});
    expect(written[1]).toMatchObject(prices[1] ?? {});
    // Kept to the millisecond.
    expect(written[2]?.startTime).toMatchObject({ seconds: 1n, nanos: 123_000_000 });
    const { prices: listed } = await pricing.prices.listPrices({ sku: 'BATCH-1' });
    expect(listed).toEqual([written[2], written[1]]);
  });

  test('of which one price is wrong writes none, and names it', async () => {
    const before = await revision();
    const prices = [aPrice('NONE-1', 1n), aPrice('NONE-2', 2n), aPrice('NONE-3', 3n, { currencyCode: 'XXX' })];
    const error = await failureOf(put(...prices));
    expect(reasonOf(error)).toBe('CURRENCY_UNSUPPORTED');
    expect(error).toMatchObject({ code: Code.InvalidArgument });
    expect(metadataOf(error)).toMatchObject({ field: 'prices[2]' });
    expect(fieldViolationsOf(error).map(({ field }) => field)).toEqual(['prices[2]']);
    expect(await unitPrice('NONE-1')).toBeUndefined();
    expect(await revision()).toBe(before);
  });

  test('that says one thing twice is refused, also when only the parts of a millisecond differ', async () => {
    expect(await outcomeOf(put(aPrice('TWICE', 1n), aPrice('OTHER', 1n), aPrice('TWICE', 1n)))).toBe('PRICE_DUPLICATE');
    const start = (nanos: number) => ({ startTime: { seconds: 7n, nanos } });
    const finer = put(aPrice('TWICE', 1n, start(1_000_001)), aPrice('TWICE', 2n, start(1_999_999)));
    expect(await outcomeOf(finer)).toBe('PRICE_DUPLICATE');
    // Another currency, quantity or start is another price.
    await put(
      aPrice('TWICE', 1n),
      aPrice('TWICE', 2n, { currencyCode: 'USD' }),
      aPrice('TWICE', 3n, { minQuantity: 2n }),
      aPrice('TWICE', 4n, start(1_000_000)),
    );
  });

  test('replaces what has the same key, and says nothing new when nothing is', async () => {
    await put(aPrice('AGAIN', 100n, { endTime: at('2099-01-01T00:00:00Z') }));
    const first = await revision();
    await put(aPrice('AGAIN', 100n, { endTime: at('2099-01-01T00:00:00Z') }));
    expect(await revision()).toBe(first);
    await put(aPrice('AGAIN', 90n));
    expect(await revision()).toBe(first + 1n);
    const { prices } = await pricing.prices.listPrices({ sku: 'AGAIN' });
    expect(prices).toEqual([aPrice('AGAIN', 90n)]);
  });

  test.each<[string, ReturnType<typeof aPrice>[]]>([
    ['no price', []],
    ['too many', Array.from({ length: 1_001 }, (_, index) => aPrice(`MANY-${index}`, 1n))],
    ['a negative price', [aPrice('BOUND', -1n)]],
    ['too much money', [aPrice('BOUND', 1_000_000_000_001n)]],
    ['quantity 0', [aPrice('BOUND', 1n, { minQuantity: 0n })]],
    ['too large a quantity', [aPrice('BOUND', 1n, { minQuantity: 1_000_000_001n })]],
    ['a SKU that is none', [aPrice('bo und', 1n)]],
    ['a NUL in the SKU', [aPrice('BOUND\0', 1n)]],
    ['a currency in small letters', [aPrice('BOUND', 1n, { currencyCode: 'eur' })]],
    ['an instant before all instants', [aPrice('BOUND', 1n, { startTime: { seconds: -62_135_596_801n, nanos: 0 } })]],
    ['an instant after all instants', [aPrice('BOUND', 1n, { endTime: { seconds: 253_402_300_800n, nanos: 0 } })]],
    ['too many nanoseconds', [aPrice('BOUND', 1n, { startTime: { seconds: 0n, nanos: 1_000_000_000 } })]],
  ])('with %s is refused as a wrong field', async (_, prices) => {
    expect(await outcomeOf(put(...prices))).toBe('INVALID_FIELD');
  });

  test('of a thousand prices is written whole', async () => {
    await put(...Array.from({ length: 1_000 }, (_, index) => aPrice(`THOUSAND-${index}`, BigInt(index))));
    expect(await unitPrice('THOUSAND-999')).toBe(999n);
  });

  test.each([
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'],
    ['2026-01-01T00:00:00Z', '2025-12-31T23:59:59.999Z'],
  ])('whose price would hold from %s to %s is refused', async (start, end) => {
    const backwards = put(aPrice('BACKWARDS', 1n, { startTime: at(start), endTime: at(end) }));
    expect(await outcomeOf(backwards)).toBe('PRICE_INTERVAL_INVALID');
  });
});

describe('trap 7: double submit', () => {
  test('the same request has one effect and the same bytes, also when many come at once', async () => {
    const before = await revision();
    const request = { requestId: requestId(), prices: [aPrice('ONCE-1', 100n), aPrice('ONCE-2', 200n)] };
    const answers = await Promise.all(Array.from({ length: 8 }, () => pricing.prices.batchUpsertPrices(request)));
    await put(aPrice('ONCE-1', 300n));
    answers.push(await pricing.prices.batchUpsertPrices(request));
    const bytes = answers.map((answer) =>
      Buffer.from(toBinary(BatchUpsertPricesResponseSchema, answer)).toString('hex'),
    );
    expect(new Set(bytes).size).toBe(1);
    expect(await revision()).toBe(before + 2n);
    expect(await unitPrice('ONCE-1')).toBe(300n);
  });

  test('the same key with another body is an error', async () => {
    const id = requestId();
    await pricing.prices.batchUpsertPrices({ requestId: id, prices: [aPrice('ONCE-3', 100n)] });
    const error = await failureOf(
      pricing.prices.batchUpsertPrices({ requestId: id, prices: [aPrice('ONCE-3', 101n)] }),
    );
    expect(reasonOf(error)).toBe('REQUEST_ID_REUSED');
    expect(error).toMatchObject({ code: Code.AlreadyExists });
    expect(await unitPrice('ONCE-3')).toBe(100n);
  });

  test('a request that failed may be sent again with its key, and another caller’s key is another key', async () => {
    const id = requestId();
    const refused = { requestId: id, prices: [aPrice('ONCE-4', 1n), aPrice('ONCE-4', 1n)] };
    expect(await outcomeOf(pricing.prices.batchUpsertPrices(refused))).toBe('PRICE_DUPLICATE');
    await pricing.prices.batchUpsertPrices({ requestId: id, prices: [aPrice('ONCE-4', 1n)] });
    await pricing.as('edge', 'ada').prices.batchUpsertPrices({ requestId: id, prices: [aPrice('ONCE-4', 2n)] });
    expect(await unitPrice('ONCE-4')).toBe(2n);
  });

  test('batches in opposite order all end', async () => {
    const skus = Array.from({ length: 50 }, (_, index) => `CROSS-${index}`);
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, turn) =>
        outcomeOf(put(...(turn % 2 ? skus : skus.toReversed()).map((sku) => aPrice(sku, BigInt(turn + 1))))),
      ),
    );
    expect(outcomes).toEqual(outcomes.map(() => expect.objectContaining({ prices: expect.anything() })));
    const left = await Promise.all(skus.map((sku) => unitPrice(sku)));
    expect(new Set(left).size).toBe(1);
  });
});

describe('pages', () => {
  test('show every price once, in the order of SKU, currency, quantity and start', async () => {
    const prices = ['PAGE-A', 'PAGE-B', 'PAGE-C'].flatMap((sku) =>
      ['EUR', 'USD'].flatMap((currencyCode) =>
        [1n, 10n].flatMap((minQuantity) => [
          aPrice(sku, 1n, { currencyCode, minQuantity }),
          aPrice(sku, 2n, { currencyCode, minQuantity, startTime: at('1969-07-20T20:17:40Z') }),
          aPrice(sku, 3n, { currencyCode, minQuantity, startTime: at('2020-01-01T00:00:00.001Z') }),
        ]),
      ),
    );
    await put(...prices.toReversed());
    const read = async (query: { sku?: string; currencyCode?: string }, pageSize: number) => {
      const all = [];
      let pageToken = '';
      do {
        const page = await pricing.prices.listPrices({ ...query, pageSize, pageToken });
        expect(page.prices.length).toBeLessThanOrEqual(pageSize);
        all.push(...page.prices);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return all;
    };
    for (const pageSize of [1, 5, 12, 200]) {
      expect(await read({ sku: 'PAGE-B' }, pageSize)).toEqual(prices.slice(12, 24));
    }
    const everything = await read({}, 200);
    expect(everything.filter(({ sku }) => sku.startsWith('PAGE-'))).toEqual(prices);
    const dollars = await read({ currencyCode: 'USD' }, 7);
    expect(dollars.filter(({ sku }) => sku === 'PAGE-C')).toEqual(prices.slice(30));
  });

  test('a token of another query, of another list, or forged is refused', async () => {
    const { nextPageToken } = await pricing.prices.listPrices({ sku: 'PAGE-A', pageSize: 1 });
    expect(nextPageToken).not.toBe('');
    const foreign = pricing.prices.listPrices({ sku: 'PAGE-B', pageToken: nextPageToken });
    expect(await outcomeOf(foreign)).toBe('PAGE_TOKEN_INVALID');
    expect(await outcomeOf(pricing.prices.listPrices({ pageToken: nextPageToken }))).toBe('PAGE_TOKEN_INVALID');
    await putRate(pricing, { jurisdiction: 'FR' });
    await putRate(pricing, { jurisdiction: 'IT' });
    const { nextPageToken: ofRates } = await pricing.taxes.listTaxRates({ pageSize: 1 });
    expect(await outcomeOf(pricing.prices.listPrices({ pageToken: ofRates }))).toBe('PAGE_TOKEN_INVALID');

    const request = create(ListPricesRequestSchema);
    const forge = (cursor: string) =>
      pricing.prices.listPrices({ pageToken: sealPageToken(ListPricesRequestSchema, request, cursor) });
    for (const cursor of [
      'nonsense',
      '{}',
      '[]',
      '["A","EUR","1"]',
      '["A","EUR","1","x"]',
      '["A","EUR",1,"0"]',
      '["A\\u0000","EUR","1","0"]',
    ]) {
      expect(await outcomeOf(forge(cursor))).toBe('PAGE_TOKEN_INVALID');
    }
    for (const pageToken of ['nonsense', 'AAAA', '💥']) {
      expect(await outcomeOf(pricing.prices.listPrices({ pageToken }))).toBe('PAGE_TOKEN_INVALID');
    }
    // A cursor beyond all instants is a place in the list like any other.
    for (const instant of ['999999999999999', '-999999999999999']) {
      const { prices } = await forge(JSON.stringify(['PAGE-C', 'USD', '10', instant]));
      expect(prices.every(({ sku }) => sku >= 'PAGE-C')).toBe(true);
    }
    // Half of a character, which no text of the database can be.
    await forge('["\\ud83d","EUR","1","0"]');
  });

  test('sizes have bounds', async () => {
    for (const pageSize of [-1, 201]) {
      expect(await outcomeOf(pricing.prices.listPrices({ pageSize }))).toBe('INVALID_FIELD');
    }
    expect((await pricing.prices.listPrices({})).prices).toHaveLength(50);
  });
});
