import { StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, levelAt, startInventory, type TestInventory } from './harness.ts';
import { type Chunk, importInto, row } from './importing.ts';
import { checkInvariants } from './invariants.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory();
  await addLocation(inventory, { locationId: 'north' });
  await addLocation(inventory, { locationId: 'south' });
});
afterAll(async () => {
  await checkInvariants(inventory.pool);
  await inventory.stop();
});

const importStock = (chunks: readonly Chunk[]) => importInto(inventory, chunks);

let skus = 0;
async function newItem(): Promise<string> {
  skus += 1;
  const sku = `I-${skus}`;
  await addItem(inventory, { sku });
  return sku;
}

test('sets what is on hand and what is kept back, and books the difference', async () => {
  const [a, b] = [await newItem(), await newItem()];
  const first = [{ requestId: requestId(), firstLine: 2n, rows: [row(a, 10, 2), row(b, 0), row(a, 5, 0, 'south')] }];
  expect(await importStock(first)).toMatchObject({
    changedCount: 2n,
    unchangedCount: 1n,
    skippedCount: 0n,
    errors: [],
  });
  expect(await levelAt(inventory, a, 'north')).toMatchObject({ onHand: 10n, safety: 2n, available: 8n });

  const id = requestId();
  const second = [{ requestId: id, firstLine: 1n, rows: [row(a, 4, 2), row(a, 5, 1, 'south')] }];
  expect(await importStock(second)).toMatchObject({ changedCount: 2n, unchangedCount: 0n });
  const { ledgerEntries } = await inventory.stock.listLedgerEntries({ sku: a });
  expect(ledgerEntries.map(({ onHandDelta, reason, source }) => [onHandDelta, reason, source]).slice(0, 2)).toEqual([
    [0n, StockReason.IMPORTED, id],
    [-6n, StockReason.IMPORTED, id],
  ]);
  expect(ledgerEntries.map(({ safetyDelta }) => safetyDelta)).toEqual([1n, 0n, 0n, 2n]);
});

test('an import that broke off is sent again whole: what was applied is not applied twice', async () => {
  const sku = await newItem();
  const id = requestId();
  const [one, two] = [
    { requestId: id, firstLine: 1n, rows: [row(sku, 10)] },
    { requestId: id, firstLine: 2n, rows: [row(sku, 20, 0, 'south')] },
  ];
  const first = await importStock([one]);
  // Meanwhile somebody sells; the repetition must not undo that.
  await inventory.stock.adjustStock({
    requestId: requestId(),
    sku,
    locationId: 'north',
    delta: -4n,
    reason: StockReason.CORRECTION,
  });
  expect(await importStock([one])).toEqual(first);
  expect(await importStock([one, two])).toMatchObject({ changedCount: 2n });
  expect(await levelAt(inventory, sku, 'north')).toMatchObject({ onHand: 6n });
  expect(await levelAt(inventory, sku, 'south')).toMatchObject({ onHand: 20n });
  const other = { ...one, rows: [row(sku, 11)] };
  expect(await reasonFrom(importStock([other]))).toBe('REQUEST_ID_REUSED');
});

test('a chunk with errors is skipped whole and told by line; the others go on', async () => {
  const [good, held, gone] = [await newItem(), await newItem(), await newItem()];
  await importStock([{ requestId: requestId(), firstLine: 1n, rows: [row(held, 5)] }]);
  await inventory.reservations.createReservation({
    requestId: requestId(),
    lines: [{ sku: held, quantity: 3n }],
    ttl: { seconds: 60n },
  });
  await inventory.items.deleteItem({ requestId: requestId(), sku: gone });
  const id = requestId();
  const chunks = [
    {
      requestId: id,
      firstLine: 10n,
      rows: [
        row(good, 1),
        row('I-NONE', 1),
        row(gone, 1),
        row('a b\0', 1),
        row(good, 1, 0, 'nowhere'),
        row(good, -1, 0, 'south'),
        row(held, 2),
        row(held, 2_000_000_000, 0, 'south'),
        row(good, 2),
        row(held, 4, -1, 'south'),
      ],
    },
    { requestId: id, firstLine: 100n, rows: [row(good, 7)] },
  ];
  const response = await importStock(chunks);
  expect(response).toMatchObject({ changedCount: 1n, unchangedCount: 0n, skippedCount: 10n });
  expect(response.errors.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
    '11 ITEM_NOT_FOUND',
    '12 ITEM_NOT_FOUND',
    '13 ITEM_NOT_FOUND',
    '14 LOCATION_NOT_FOUND',
    '15 QUANTITY_OUT_OF_RANGE',
    '16 INSUFFICIENT_STOCK',
    '17 QUANTITY_OUT_OF_RANGE',
    '18 IMPORT_ROW_DUPLICATE',
    '19 QUANTITY_OUT_OF_RANGE',
  ]);
  expect(response.errors.every(({ message }) => message.length > 10)).toBe(true);
  expect(await levelAt(inventory, good, 'north')).toMatchObject({ onHand: 7n });
  expect(await levelAt(inventory, held, 'north')).toMatchObject({ onHand: 5n });
  // A skipped chunk left no key: mended, it is applied.
  const mended = { requestId: id, firstLine: 10n, rows: [row(good, 1, 0, 'south')] };
  expect(await importStock([mended])).toMatchObject({ changedCount: 1n });
});

test('chunks come in order, of one import', async () => {
  const sku = await newItem();
  const id = requestId();
  const chunk = (firstLine: bigint, of = id) => ({
    requestId: of,
    firstLine,
    rows: [row(sku, 1), row(sku, 1, 0, 'south')],
  });
  expect(await reasonFrom(importStock([chunk(1n), chunk(2n)]))).toBe('IMPORT_CHUNK_INVALID');
  expect(await reasonFrom(importStock([chunk(1n), chunk(3n, requestId())]))).toBe('IMPORT_CHUNK_INVALID');
  expect(await reasonFrom(importStock([chunk(1n, '')]))).toBe('INVALID_FIELD');
  expect(await reasonFrom(importStock([{ ...chunk(1n), rows: [] }]))).toBe('INVALID_FIELD');
  expect(await reasonFrom(importStock([chunk(1n), chunk(9n)]))).toBe(undefined);
});

test('an import without any chunk changes nothing', async () => {
  expect(await importStock([])).toMatchObject({ changedCount: 0n, unchangedCount: 0n, skippedCount: 0n, errors: [] });
});

test('of many errors the first 1,000 are told', async () => {
  const id = requestId();
  const rows = Array.from({ length: 700 }, (_, index) => row(`I-NONE-${index}`, 1));
  const chunks = [1n, 701n, 1_401n].map((firstLine) => ({ requestId: id, firstLine, rows }));
  const response = await importStock(chunks);
  expect(response.skippedCount).toBe(2_100n);
  expect(response.errors).toHaveLength(1_000);
  expect(response.errors.at(-1)?.line).toBe(1_000n);
});

test('imports of the same rows in opposite order, with reservations between them, all end', async () => {
  const items = await Promise.all(Array.from({ length: 20 }, newItem));
  const rows = items.flatMap((sku) => [row(sku, 50), row(sku, 50, 0, 'south')]);
  await importStock([{ requestId: requestId(), firstLine: 1n, rows }]);
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      index % 2 === 0
        ? reasonFrom(
            importStock([
              {
                requestId: requestId(),
                firstLine: 1n,
                rows: (index % 4 === 0 ? rows : [...rows].reverse()).map((one) => ({
                  ...one,
                  onHand: 50n + BigInt(index),
                })),
              },
            ]),
          )
        : reasonFrom(
            inventory.reservations.createReservation({
              requestId: requestId(),
              lines: (index % 4 === 1 ? items : [...items].reverse()).map((sku) => ({ sku, quantity: 2n })),
              ttl: { seconds: 60n },
            }),
          ),
    ),
  );
  expect(outcomes).toEqual(outcomes.map(() => undefined));
});

describe('rows of lots', () => {
  const EXPIRY = { seconds: 4_000_000_000n };
  const lotRow = (sku: string, lotId: string, onHand: number, safety = 0, fields: object = {}) => ({
    ...row(sku, onHand, safety),
    lotId,
    lotExpireTime: EXPIRY,
    ...fields,
  });
  async function lotItem(): Promise<string> {
    skus += 1;
    const sku = `I-${skus}`;
    await addItem(inventory, { sku, lotTracked: true });
    return sku;
  }
  const once = (...rows: object[]) => importStock([{ requestId: requestId(), firstLine: 1n, rows } as Chunk]);

  test('set each lot, and the safety stock of their level once', async () => {
    const [sku, plain] = [await lotItem(), await newItem()];
    expect(await once(lotRow(sku, 'A', 10, 3), row(plain, 7), lotRow(sku, 'B', 20, 3))).toMatchObject({
      changedCount: 3n,
      unchangedCount: 0n,
      errors: [],
    });
    const level = await levelAt(inventory, sku, 'north');
    expect(level).toMatchObject({ onHand: 30n, safety: 3n, available: 27n });
    expect(level?.lots).toMatchObject([
      { lotId: 'A', onHand: 10n },
      { lotId: 'B', onHand: 20n },
    ]);
    // One lot alone is set, the other stays.
    expect(await once(lotRow(sku, 'B', 15, 3, { lotExpireTime: undefined }))).toMatchObject({ changedCount: 1n });
    expect(await once(lotRow(sku, 'B', 15, 3), lotRow(sku, 'A', 10, 3))).toMatchObject({ unchangedCount: 2n });
    expect(await levelAt(inventory, sku, 'north')).toMatchObject({ onHand: 25n, safety: 3n });
    const { ledgerEntries } = await inventory.stock.listLedgerEntries({ sku });
    expect(
      ledgerEntries.map((entry) => [entry.lotId, entry.onHandDelta, entry.onHandAfter, entry.safetyDelta]),
    ).toEqual([
      ['B', -5n, 25n, 0n],
      ['B', 20n, 30n, 0n],
      ['A', 10n, 10n, 3n],
    ]);
  });

  test('are told what is wrong with them by line', async () => {
    const [sku, plain, kit] = [await lotItem(), await newItem(), await newItem()];
    await once(lotRow(sku, 'A', 10));
    await inventory.stock.moveStock({
      requestId: requestId(),
      sku,
      locationId: 'north',
      lotId: 'A',
      fromState: StockState.AVAILABLE,
      toState: StockState.DAMAGED,
      quantity: 4n,
    });
    await inventory.pool.query('UPDATE items SET is_kit = true WHERE sku = $1', [kit]);
    const { errors, changedCount } = await once(
      row(sku, 1),
      lotRow(plain, 'A', 1),
      lotRow(sku, 'NEW', 1, 0, { lotExpireTime: undefined }),
      lotRow(sku, 'A', 5, 0, { lotExpireTime: { seconds: 5_000_000_000n } }),
      lotRow(sku, 'A', 6),
      lotRow(sku, 'B', 1, 1),
      lotRow(sku, 'B\0', 1),
      row(kit, 1),
      lotRow(sku, 'C', 1),
      lotRow(sku, 'D', 1, 0, { locationId: 'south', onHand: 1_000_000_001n }),
    );
    expect(changedCount).toBe(0n);
    expect(errors.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
      '1 LOT_REQUIRED',
      '2 LOT_UNEXPECTED',
      '3 LOT_REQUIRED',
      '4 LOT_EXPIRY_MISMATCH',
      '5 IMPORT_ROW_DUPLICATE',
      '6 IMPORT_ROW_DUPLICATE',
      '7 LOT_REQUIRED',
      '8 KIT_HAS_NO_STOCK',
      '10 QUANTITY_OUT_OF_RANGE',
    ]);
    const { errors: fewer } = await once(lotRow(sku, 'A', 3));
    expect(fewer.map(({ reason }) => reason)).toEqual(['INSUFFICIENT_STOCK']);
    expect(await reasonFrom(once(lotRow(sku, 'E', 3, 0, { lotExpireTime: { seconds: 1n, nanos: -5 } })))).toBe(
      'INVALID_FIELD',
    );
    expect(await levelAt(inventory, sku, 'north')).toMatchObject({ onHand: 10n, lots: [{ lotId: 'A' }] });
  });
});

test('two streams of one import at once apply each chunk once', async () => {
  const items = await Promise.all(Array.from({ length: 10 }, newItem));
  const id = requestId();
  const chunks = items.map((sku, index) => ({ requestId: id, firstLine: BigInt(index + 1), rows: [row(sku, 5)] }));
  const [one, two] = await Promise.all([importStock(chunks), importStock(chunks)]);
  expect(one).toEqual(two);
  expect(one).toMatchObject({ changedCount: 10n, skippedCount: 0n });
  const { stockImport } = await inventory.stock.getStockImport({ requestId: id });
  expect(stockImport).toMatchObject({ changedCount: 10n, nextLine: 11n });
  for (const sku of items) {
    expect((await inventory.stock.listLedgerEntries({ sku })).ledgerEntries).toHaveLength(1);
  }
});

test('imports, adjustments and moves of the same levels at once lose nothing', async () => {
  const items = await Promise.all(Array.from({ length: 8 }, newItem));
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, index) => {
      const sku = items[index % items.length] ?? '';
      return index % 2 === 0
        ? reasonFrom(
            importStock([
              {
                requestId: requestId(),
                firstLine: 1n,
                rows: (index % 4 === 0 ? items : items.toReversed()).map((one) => row(one, index)),
              },
            ]),
          )
        : reasonFrom(
            inventory.stock.adjustStock({
              requestId: requestId(),
              sku,
              locationId: 'north',
              delta: 3n,
              reason: StockReason.RECEIVED,
            }),
          );
    }),
  );
  expect(outcomes).toEqual(outcomes.map(() => undefined));
});

test('a fast sender is kept waiting: what is not applied yet is not in memory', async () => {
  const sku = await newItem();
  const id = requestId();
  // The first chunk waits for the level, so that the import stands still.
  await importStock([{ requestId: requestId(), firstLine: 1n, rows: [row(sku, 1)] }]);
  const holder = await inventory.pool.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT FROM stock WHERE sku = $1 FOR UPDATE', [sku]);
  let sent = 0;
  const CHUNKS = 400;
  async function* fast(): AsyncGenerator<Chunk> {
    for (; sent < CHUNKS; sent += 1) {
      // About 20 kB each.
      const rows = Array.from({ length: 100 }, () => ({ ...row(sku, 1), sku: sku.padEnd(200, 'X') }));
      yield { requestId: id, firstLine: BigInt(sent * 1_000 + 1), rows: sent === 0 ? [row(sku, 2)] : rows };
    }
  }
  try {
    const done = inventory.stock.importStock(fast());
    await expect.poll(() => sent).toBeGreaterThan(1);
    let before = -1;
    await expect
      .poll(
        () => {
          const still = before === sent;
          before = sent;
          return still;
        },
        { interval: 300 },
      )
      .toBe(true);
    // What fits the connection's windows has left, and no more: 8 MB lie at the sender.
    expect(sent).toBeLessThan(CHUNKS / 2);
    await holder.query('COMMIT');
    expect(await done).toMatchObject({ changedCount: 1n, skippedCount: BigInt((CHUNKS - 1) * 100) });
  } finally {
    holder.release(true);
  }
});
