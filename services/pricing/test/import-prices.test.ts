// Imports of prices: nothing lost, nothing twice, and what is wrong is told by line.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import type { ImportPricesRequestSchema } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { aPrice, at, outcomeOf, putPrices, startPricing, type TestPricing } from './harness.ts';

let pricing: TestPricing;
beforeAll(async () => {
  pricing = await startPricing();
});
afterAll(() => pricing?.stop());

type Chunk = MessageInitShape<typeof ImportPricesRequestSchema>;

async function* stream(chunks: readonly Chunk[]) {
  yield* chunks;
}

const importPrices = (...chunks: Chunk[]) => pricing.prices.importPrices(stream(chunks));
const unitPrice = async (sku: string) => {
  const { prices } = await pricing.prices.resolvePrices({ lines: [{ sku, quantity: 1n }], currencyCode: 'EUR' });
  return prices[0]?.price?.unitPrice?.minorUnits;
};
const countOf = async (like: string) => {
  const { rows } = await pricing.pool.query<{ count: bigint }>('SELECT count(*) FROM prices WHERE sku LIKE $1', [like]);
  return rows[0]?.count;
};

test('counts what it changed and what was known already', async () => {
  await putPrices(pricing, aPrice('COUNT-1', 1n), aPrice('COUNT-2', 1n));
  const response = await importPrices({
    requestId: requestId(),
    firstLine: 2n,
    rows: [aPrice('COUNT-1', 1n), aPrice('COUNT-2', 2n), aPrice('COUNT-3', 3n)],
  });
  expect(response).toMatchObject({ changedCount: 2n, unchangedCount: 1n, skippedCount: 0n, errors: [] });
  expect([await unitPrice('COUNT-1'), await unitPrice('COUNT-2'), await unitPrice('COUNT-3')]).toEqual([1n, 2n, 3n]);
});

test('a later chunk replaces what an earlier one said', async () => {
  const id = requestId();
  const chunk = (firstLine: bigint, price: bigint) => ({ requestId: id, firstLine, rows: [aPrice('LATER', price)] });
  expect(await importPrices(chunk(1n, 1n), chunk(2n, 2n), chunk(9n, 2n))).toMatchObject({
    changedCount: 2n,
    unchangedCount: 1n,
  });
  expect(await unitPrice('LATER')).toBe(2n);
});

test('trap 7: an import that broke off is sent again whole: what was applied is not applied twice', async () => {
  const id = requestId();
  const one = { requestId: id, firstLine: 1n, rows: [aPrice('BROKEN-1', 10n)] };
  const two = { requestId: id, firstLine: 2n, rows: [aPrice('BROKEN-2', 20n)] };
  const first = await importPrices(one);
  // Meanwhile somebody corrects the price; the repetition must not undo that.
  await putPrices(pricing, aPrice('BROKEN-1', 11n));
  expect(await importPrices(one)).toEqual(first);
  expect(await importPrices(one, two)).toMatchObject({ changedCount: 2n, unchangedCount: 0n });
  expect(await unitPrice('BROKEN-1')).toBe(11n);
  expect(await unitPrice('BROKEN-2')).toBe(20n);
  const other = importPrices({ ...one, rows: [aPrice('BROKEN-1', 12n)] });
  expect(await outcomeOf(other)).toBe('REQUEST_ID_REUSED');
});

test('a stream that breaks off in the middle keeps the chunks before', async () => {
  const id = requestId();
  const chunks = [1n, 2n, 3n].map((line) => ({ requestId: id, firstLine: line, rows: [aPrice(`CUT-${line}`, line)] }));
  const left = new AbortController();
  const arrived = Promise.withResolvers<void>();
  async function* broken() {
    yield* chunks.slice(0, 1);
    await arrived.promise;
    left.abort();
  }
  const call = pricing.prices.importPrices(broken(), { signal: left.signal }).catch((error: unknown) => error);
  await expect.poll(() => unitPrice('CUT-1')).toBe(1n);
  arrived.resolve();
  expect(await call).toMatchObject({ code: Code.Canceled });
  expect(await unitPrice('CUT-2')).toBeUndefined();
  expect(await importPrices(...chunks)).toMatchObject({ changedCount: 3n });
});

test('the same import sent many times at once has its effect once, and every answer is the same', async () => {
  const id = requestId();
  const chunks = [1n, 11n, 21n].map((firstLine) => ({
    requestId: id,
    firstLine,
    rows: Array.from({ length: 10 }, (_, index) => aPrice(`MANY-${firstLine + BigInt(index)}`, firstLine)),
  }));
  const responses = await Promise.all(Array.from({ length: 6 }, () => importPrices(...chunks)));
  expect(responses).toEqual(responses.map(() => expect.objectContaining({ changedCount: 30n, unchangedCount: 0n })));
});

test('a chunk with errors is skipped whole and told by line; the others go on', async () => {
  const id = requestId();
  const interval = { startTime: at('2026-02-01T00:00:00Z'), endTime: at('2026-01-01T00:00:00Z') };
  const bad = {
    requestId: id,
    firstLine: 10n,
    rows: [
      aPrice('ROW-GOOD', 1n),
      aPrice('row', 1n),
      aPrice('ROW\0', 1n),
      aPrice('ROW', -1n),
      aPrice('ROW', 1n, { currencyCode: 'ZZZ' }),
      aPrice('ROW', 1n, { currencyCode: 'e' }),
      aPrice('ROW', 1n, interval),
      aPrice('ROW-GOOD', 2n),
      aPrice('ROW', 1n, { minQuantity: 0n }),
      aPrice('ROW', 1n, { startTime: { seconds: 0n, nanos: -1 } }),
      { sku: 'ROW', minQuantity: 1n },
    ],
  };
  const response = await importPrices(bad, { requestId: id, firstLine: 100n, rows: [aPrice('ROW-NEXT', 7n)] });
  expect(response).toMatchObject({ changedCount: 1n, unchangedCount: 0n, skippedCount: 11n });
  expect(response.errors.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
    '11 INVALID_FIELD',
    '12 INVALID_FIELD',
    '13 INVALID_FIELD',
    '14 CURRENCY_UNSUPPORTED',
    '15 INVALID_FIELD',
    '16 PRICE_INTERVAL_INVALID',
    '17 PRICE_DUPLICATE',
    '18 INVALID_FIELD',
    '19 INVALID_FIELD',
    '20 INVALID_FIELD',
  ]);
  expect(response.errors.every(({ message }) => message.length > 10)).toBe(true);
  expect(await unitPrice('ROW-GOOD')).toBeUndefined();
  expect(await unitPrice('ROW-NEXT')).toBe(7n);
  // A skipped chunk left no key: mended, it is applied.
  expect(await importPrices({ ...bad, rows: [aPrice('ROW-GOOD', 1n)] })).toMatchObject({ changedCount: 1n });
});

test('chunks come in order, of one import; those before the one at fault stay applied', async () => {
  const id = requestId();
  const chunk = (firstLine: bigint, of = id) => ({
    requestId: of,
    firstLine,
    rows: [aPrice(`ORDER-${firstLine}-A`, 1n), aPrice(`ORDER-${firstLine}-B`, 1n)],
  });
  const overlapping = await importPrices(chunk(1n), chunk(2n)).catch((error: unknown) => error);
  expect(reasonOf(overlapping)).toBe('IMPORT_CHUNK_INVALID');
  expect(overlapping).toMatchObject({ code: Code.InvalidArgument });
  expect(await unitPrice('ORDER-1-A')).toBe(1n);
  expect(await unitPrice('ORDER-2-A')).toBeUndefined();
  expect(await outcomeOf(importPrices(chunk(1n), chunk(3n, requestId())))).toBe('IMPORT_CHUNK_INVALID');
  expect(await outcomeOf(importPrices(chunk(1n, '')))).toBe('INVALID_FIELD');
  expect(await outcomeOf(importPrices(chunk(0n)))).toBe('INVALID_FIELD');
  expect(await outcomeOf(importPrices({ ...chunk(1n), rows: [] }))).toBe('INVALID_FIELD');
  const rows = Array.from({ length: 1_001 }, (_, index) => aPrice(`ORDER-X-${index}`, 1n));
  expect(await outcomeOf(importPrices({ requestId: id, firstLine: 50n, rows }))).toBe('INVALID_FIELD');
  expect(await importPrices(chunk(1n), chunk(9n))).toMatchObject({ changedCount: 4n });
});

test('an import without any chunk changes nothing', async () => {
  expect(await importPrices()).toMatchObject({ changedCount: 0n, unchangedCount: 0n, skippedCount: 0n, errors: [] });
});

test('of many errors the first 1,000 are told', async () => {
  const id = requestId();
  const rows = Array.from({ length: 700 }, (_, index) => aPrice(`error ${index}`, 1n));
  const response = await importPrices(...[1n, 701n, 1_401n].map((firstLine) => ({ requestId: id, firstLine, rows })));
  expect(response.skippedCount).toBe(2_100n);
  expect(response.errors).toHaveLength(1_000);
  expect(response.errors.at(-1)?.line).toBe(1_000n);
});

test('a huge import loses nothing, while others write to the same prices', { timeout: 120_000 }, async () => {
  const id = requestId();
  const chunks = Array.from({ length: 40 }, (_, part) => ({
    requestId: id,
    firstLine: BigInt(part * 1_000 + 1),
    rows: Array.from({ length: 1_000 }, (_, index) => aPrice(`HUGE-${part * 1_000 + index}`, BigInt(index + 1))),
  }));
  let imported = false;
  const meanwhile = (async () => {
    while (!imported) {
      await putPrices(pricing, ...Array.from({ length: 100 }, (_, index) => aPrice(`HUGE-${index * 400}`, 5_000n)));
    }
  })();
  const response = await importPrices(...chunks).finally(() => {
    imported = true;
  });
  await meanwhile;
  expect(response).toMatchObject({ changedCount: 40_000n, unchangedCount: 0n, skippedCount: 0n });
  expect(await countOf('HUGE-%')).toBe(40_000n);
  expect(await unitPrice('HUGE-39999')).toBe(1_000n);
});
