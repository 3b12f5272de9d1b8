// Which price applies: the right tier, at the right instant, and no money that nobody can owe.

import { Code } from '@connectrpc/connect';
import { reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { APPLICABLE_PRICES } from '../src/prices/resolve.ts';
import { aPrice, at, eventually, fromNow, outcomeOf, putPrices, startPricing, type TestPricing } from './harness.ts';

let pricing: TestPricing;
beforeAll(async () => {
  pricing = await startPricing();
});
afterAll(() => pricing?.stop());

const put = (...prices: Parameters<typeof putPrices>[1][]) => putPrices(pricing, ...prices);
const resolve = (sku: string, quantity = 1n, currencyCode = 'EUR') =>
  pricing.prices.resolvePrices({ lines: [{ sku, quantity }], currencyCode });
/** What one unit costs when so many are bought; undefined without a price. */
async function unitPrice(sku: string, quantity = 1n, currencyCode = 'EUR'): Promise<bigint | undefined> {
  const { prices } = await resolve(sku, quantity, currencyCode);
  return prices[0]?.price?.unitPrice?.minorUnits;
}
const failureOf = (call: Promise<unknown>) => call.catch((error: unknown) => error);

test('trap 18: 0-10 for 100, 11-20 for 90, 21-30 for 85; the last tier is open-ended', async () => {
  await put(aPrice('TIER', 85n, { minQuantity: 21n }), aPrice('TIER', 100n), aPrice('TIER', 90n, { minQuantity: 11n }));
  const expected = { 1: 100n, 10: 100n, 11: 90n, 13: 90n, 20: 90n, 21: 85n, 30: 85n, 31: 85n, 1000000000: 85n };
  for (const [quantity, price] of Object.entries(expected)) {
    const { prices } = await resolve('TIER', BigInt(quantity));
    expect(prices).toMatchObject([
      { price: { unitPrice: { minorUnits: price } }, linePrice: { minorUnits: price * BigInt(quantity) } },
    ]);
  }
});

test('a SKU in several lines counts together for its tier', async () => {
  await put(aPrice('SPLIT', 100n), aPrice('SPLIT', 90n, { minQuantity: 11n }), aPrice('ALONE', 7n));
  const lines = [
    { sku: 'SPLIT', quantity: 6n },
    { sku: 'ALONE', quantity: 5n },
    { sku: 'SPLIT', quantity: 5n },
  ];
  const { prices } = await pricing.prices.resolvePrices({ lines, currencyCode: 'EUR' });
  expect(prices.map(({ sku, quantity, linePrice }) => [sku, quantity, linePrice?.minorUnits])).toEqual([
    ['SPLIT', 6n, 540n],
    ['ALONE', 5n, 35n],
    ['SPLIT', 5n, 450n],
  ]);
});

test('below the smallest tier, without a price, or in a currency without one, there is none', async () => {
  await put(aPrice('BULK', 50n, { minQuantity: 10n }));
  expect(await unitPrice('BULK', 9n)).toBeUndefined();
  expect(await unitPrice('BULK', 10n)).toBe(50n);
  const { prices, asOfTime } = await resolve('NO-PRICE');
  expect(prices).toEqual([expect.objectContaining({ sku: 'NO-PRICE', quantity: 1n })]);
  expect([prices[0]?.price, prices[0]?.linePrice]).toEqual([undefined, undefined]);
  expect(asOfTime).toBeDefined();
  expect(await unitPrice('BULK', 10n, 'USD')).toBeUndefined();
});

test('trap 21: a price in JPY is a whole number of yen; a code outside ISO 4217 is refused', async () => {
  await put(aPrice('YEN', 1_980n, { currencyCode: 'JPY' }));
  const { prices } = await resolve('YEN', 3n, 'JPY');
  expect(prices).toMatchObject([{ linePrice: { currencyCode: 'JPY', minorUnits: 5_940n } }]);
  // XAU is in the standard's list, and no money.
  for (const code of ['ZZZ', 'XXX', 'XAU']) {
    expect(await outcomeOf(resolve('YEN', 1n, code))).toBe('CURRENCY_UNSUPPORTED');
  }
});

test('of prices that hold at once the latest start wins, but a higher tier wins over a later start', async () => {
  await put(
    aPrice('LAYERS', 100n),
    aPrice('LAYERS', 95n, { startTime: at('2020-01-01T00:00:00Z') }),
    aPrice('LAYERS', 94n, { startTime: at('2021-01-01T00:00:00Z'), endTime: at('2022-01-01T00:00:00Z') }),
    aPrice('LAYERS', 10n, { startTime: at('2999-01-01T00:00:00Z') }),
    aPrice('LAYERS', 80n, { minQuantity: 5n }),
    aPrice('LAYERS', 70n, { minQuantity: 9n, startTime: at('2999-01-01T00:00:00Z') }),
  );
  expect(await unitPrice('LAYERS')).toBe(95n);
  expect(await unitPrice('LAYERS', 5n)).toBe(80n);
  expect(await unitPrice('LAYERS', 9n)).toBe(80n);
});

test('trap 20: an interval holds its first instant and not its last: one price at every instant, never both', async () => {
  const change = fromNow(400);
  await put(aPrice('RELAY', 1n, { endTime: change }), aPrice('RELAY', 2n, { startTime: change }));
  const changeMs = Number(change.seconds) * 1_000 + change.nanos / 1_000_000;
  // Which one is right is said by the clock of the answer, so no moment needs to be hit.
  await eventually(
    async () => {
      const { prices, asOfTime } = await resolve('RELAY');
      const asOfMs = Number(asOfTime?.seconds) * 1_000 + (asOfTime?.nanos ?? 0) / 1_000_000;
      expect(prices[0]?.price?.unitPrice?.minorUnits).toBe(asOfMs < changeMs ? 1n : 2n);
      return asOfMs;
    },
    (asOfMs) => asOfMs >= changeMs,
  );
  expect(await unitPrice('RELAY')).toBe(2n);
});

test('at the very instant: to the millisecond, asked of the statement itself', async () => {
  await put(
    aPrice('INSTANT', 5n, { startTime: at('2026-01-01T00:00:00Z'), endTime: at('2026-02-01T00:00:00Z') }),
    aPrice('ENDLESS', 6n, { startTime: at('2026-01-01T00:00:00Z') }),
  );
  const heldAt = async (instant: string) => {
    const statement = APPLICABLE_PRICES.replaceAll('statement_timestamp()', '$4::timestamptz');
    const values = [['INSTANT', 'ENDLESS'], [1n, 1n], 'EUR', instant];
    const { rows } = await pricing.pool.query<{ unitMinorUnits: bigint }>(statement, values);
    return rows.map(({ unitMinorUnits }) => unitMinorUnits);
  };
  expect(await heldAt('2025-12-31T23:59:59.999Z')).toEqual([]);
  expect(await heldAt('2026-01-01T00:00:00Z')).toEqual([5n, 6n]);
  expect(await heldAt('2026-01-31T23:59:59.999Z')).toEqual([5n, 6n]);
  expect(await heldAt('2026-02-01T00:00:00Z')).toEqual([6n]);
});

test('money that no one can owe is refused', async () => {
  await put(aPrice('DEAR', 1_000_000_000_000n));
  const { prices } = await resolve('DEAR', 1_000n);
  expect(prices[0]?.linePrice?.minorUnits).toBe(1_000_000_000_000_000n);
  const error = await failureOf(resolve('DEAR', 1_001n));
  expect(reasonOf(error)).toBe('AMOUNT_OUT_OF_RANGE');
  expect(error).toMatchObject({ code: Code.OutOfRange });
});

test('nonsense is refused before the database sees it', async () => {
  const line = { sku: 'TIER', quantity: 1n };
  for (const lines of [
    [],
    Array.from({ length: 201 }, () => line),
    [{ ...line, quantity: 0n }],
    [{ ...line, sku: '' }],
  ]) {
    expect(await outcomeOf(pricing.prices.resolvePrices({ lines, currencyCode: 'EUR' }))).toBe('INVALID_FIELD');
  }
});
