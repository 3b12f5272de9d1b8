import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, levelAt, NEVER_MS, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
  await addLocation(inventory, { locationId: 'alpha' });
});
afterAll(async () => {
  await checkInvariants(inventory.pool);
  await inventory.stop();
});

let skus = 0;
async function newItem(): Promise<string> {
  skus += 1;
  const sku = `SET-${skus}`;
  await addItem(inventory, { sku });
  return sku;
}

type Fields = Omit<Parameters<TestInventory['stock']['setStock']>[0], '$typeName'>;
const set = (sku: string, fields: Fields) =>
  inventory.stock.setStock({
    requestId: requestId(),
    sku,
    locationId: 'alpha',
    reason: StockReason.CORRECTION,
    ...fields,
  });

test('trap 22: of parallel setters who expect the same, exactly one wins, and the others learn what is there', async () => {
  const sku = await newItem();
  await addStock(inventory, sku, 'alpha', 10);
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      set(sku, { onHand: 100n + BigInt(index), expectedOnHand: 10n }).then(
        ({ stockLevel }) => stockLevel?.onHand,
        (error: unknown) => error,
      ),
    ),
  );
  const won = outcomes.filter((outcome) => typeof outcome === 'bigint');
  expect(won).toHaveLength(1);
  const lost = outcomes.filter((outcome) => typeof outcome !== 'bigint');
  expect(lost.map(reasonOf)).toEqual(lost.map(() => 'STOCK_CHANGED'));
  expect(lost.map((error) => metadataOf(error).on_hand)).toEqual(lost.map(() => `${won[0]}`));
  expect((await levelAt(inventory, sku, 'alpha'))?.onHand).toBe(won[0]);
});

test('a sale between looking and setting is not undone', async () => {
  const sku = await newItem();
  await addStock(inventory, sku, 'alpha', 10);
  await addStock(inventory, sku, 'alpha', -1);
  const error = await failure(set(sku, { onHand: 12n, expectedOnHand: 10n }));
  expect(reasonOf(error)).toBe('STOCK_CHANGED');
  expect(metadataOf(error)).toEqual({ sku, location_id: 'alpha', on_hand: '9', expected: '10' });
  expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 9n });
});

test('sets what is given and leaves the rest; one entry books both', async () => {
  const sku = await newItem();
  const both = await set(sku, { onHand: 10n, expectedOnHand: 0n, safety: 3n, source: 'list 7' });
  expect(both.stockLevel).toMatchObject({ onHand: 10n, safety: 3n, available: 7n });
  expect(both.ledgerEntry).toMatchObject({
    onHandDelta: 10n,
    onHandAfter: 10n,
    safetyDelta: 3n,
    reason: StockReason.CORRECTION,
    source: 'list 7',
    actor: 'shipping',
  });
  const safety = await set(sku, { safety: 1n, reason: StockReason.UNSPECIFIED });
  expect(safety.stockLevel).toMatchObject({ onHand: 10n, safety: 1n, available: 9n });
  expect(safety.ledgerEntry).toMatchObject({ onHandDelta: 0n, safetyDelta: -2n, reason: StockReason.SAFETY_SET });
  const threshold = await set(sku, { lowStockThreshold: 4n });
  expect(threshold.stockLevel).toMatchObject({ onHand: 10n, safety: 1n, lowStockThreshold: 4n });
  expect(threshold.ledgerEntry).toBeUndefined();
  const same = await set(sku, { onHand: 10n, expectedOnHand: 10n, safety: 1n, lowStockThreshold: 4n });
  expect(same.ledgerEntry).toBeUndefined();
  expect((await inventory.stock.listLedgerEntries({ sku })).ledgerEntries).toHaveLength(2);
});

test('sets no less than is promised or unavailable', async () => {
  const sku = await newItem();
  await addStock(inventory, sku, 'alpha', 10);
  await inventory.pool.query('UPDATE stock SET damaged = 2 WHERE sku = $1', [sku]);
  await inventory.pool.query(
    `INSERT INTO ledger_entries (sku, location_id, on_hand_delta, on_hand_after, damaged_delta, reason, source, actor)
     VALUES ($1, 'alpha', 0, 10, 2, 8, '', '')`,
    [sku],
  );
  const error = await failure(set(sku, { onHand: 1n, expectedOnHand: 10n }));
  expect(reasonOf(error)).toBe('INSUFFICIENT_STOCK');
  expect(metadataOf(error)).toEqual({ sku, location_id: 'alpha', requested: '9', available: '8' });
  expect((await set(sku, { onHand: 2n, expectedOnHand: 10n })).stockLevel).toMatchObject({ onHand: 2n, available: 0n });
});

test('refuses fields that contradict each other or leave their range', async () => {
  const sku = await newItem();
  const fieldOf = async (fields: Fields) =>
    fieldViolationsOf(await failure(set(sku, fields))).map(({ field }) => field);
  expect(await fieldOf({})).toEqual(['on_hand']);
  expect(await fieldOf({ onHand: 1n })).toEqual(['expected_on_hand']);
  expect(await fieldOf({ expectedOnHand: 1n, safety: 1n })).toEqual(['expected_on_hand']);
  expect(await fieldOf({ onHand: 1n, expectedOnHand: 0n, reason: StockReason.UNSPECIFIED })).toEqual(['reason']);
  expect(await fieldOf({ safety: 1n, reason: StockReason.SAFETY_SET })).toEqual(['reason']);
  for (const units of [-1n, 1_000_000_001n, 9_223_372_036_854_775_807n, -9_223_372_036_854_775_808n]) {
    expect(await fieldOf({ onHand: units, expectedOnHand: 0n })).toEqual(['on_hand']);
    expect(await fieldOf({ safety: units })).toEqual(['safety']);
    expect(await fieldOf({ lowStockThreshold: units })).toEqual(['low_stock_threshold']);
  }
  expect(await fieldOf({ onHand: 0n, expectedOnHand: 1_000_000_000_001n })).toEqual(['expected_on_hand']);
  expect(await fieldOf({ safety: 1n, requestId: 'x' })).toEqual(['request_id']);
  expect(await levelAt(inventory, sku, 'alpha')).toBeUndefined();
});

test('refuses what is not there, and lots of items without lots', async () => {
  const sku = await newItem();
  const counted = { onHand: 1n, expectedOnHand: 0n };
  expect(await reasonFrom(set('SET-NONE', counted))).toBe('ITEM_NOT_FOUND');
  expect(await reasonFrom(set(sku, { ...counted, locationId: 'nowhere' }))).toBe('LOCATION_NOT_FOUND');
  expect(await reasonFrom(set(sku, { ...counted, lotId: 'L' }))).toBe('LOT_UNEXPECTED');
  expect(await reasonFrom(set(sku, { safety: 1n, lotId: 'L' }))).toBe('LOT_UNEXPECTED');
  await inventory.pool.query('UPDATE items SET is_kit = true WHERE sku = $1', [sku]);
  expect(await reasonFrom(set(sku, counted))).toBe('KIT_HAS_NO_STOCK');
});

test('repeated, it answers the same and sets nothing again; with another body it is refused', async () => {
  const sku = await newItem();
  const id = requestId();
  const first = await set(sku, { requestId: id, onHand: 5n, expectedOnHand: 0n });
  await addStock(inventory, sku, 'alpha', -2);
  expect(await set(sku, { requestId: id, onHand: 5n, expectedOnHand: 0n })).toEqual(first);
  expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 3n });
  expect(await reasonFrom(set(sku, { requestId: id, onHand: 6n, expectedOnHand: 0n }))).toBe('REQUEST_ID_REUSED');
});
