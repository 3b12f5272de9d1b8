import { StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, levelAt, NEVER_MS, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

const { AVAILABLE, DAMAGED, QUALITY_CONTROL, INCOMING, SAFETY } = StockState;

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
  await addLocation(inventory, { locationId: 'alpha' });
  await addLocation(inventory, { locationId: 'beta' });
});
afterAll(async () => {
  await checkInvariants(inventory.pool);
  await inventory.stop();
});

let skus = 0;
async function newItem(): Promise<string> {
  skus += 1;
  const sku = `M-${skus}`;
  await addItem(inventory, { sku });
  return sku;
}

type Fields = Omit<Parameters<TestInventory['stock']['moveStock']>[0], '$typeName'>;
const move = (
  sku: string,
  fromState: StockState,
  toState: StockState,
  quantity: number | bigint,
  fields: Fields = {},
) =>
  inventory.stock.moveStock({
    requestId: requestId(),
    sku,
    locationId: 'alpha',
    fromState,
    toState,
    quantity: BigInt(quantity),
    ...fields,
  });

const adjust = (sku: string, state: StockState, delta: number, reason = StockReason.CORRECTION) =>
  inventory.stock.adjustStock({
    requestId: requestId(),
    sku,
    locationId: 'alpha',
    state,
    delta: BigInt(delta),
    reason,
  });

/** Units of each state, with those that can be sold last. */
async function units(sku: string) {
  const level = await levelAt(inventory, sku, 'alpha');
  return [level?.onHand, level?.damaged, level?.qualityControl, level?.incoming, level?.safety, level?.available].map(
    Number,
  );
}

describe('adjust in a state', () => {
  test('damaged units and those in quality control are on hand too; those on the way are not', async () => {
    const sku = await newItem();
    await adjust(sku, AVAILABLE, 10);
    await adjust(sku, DAMAGED, 3);
    await adjust(sku, QUALITY_CONTROL, 4);
    await adjust(sku, INCOMING, 20, StockReason.ORDERED);
    expect(await units(sku)).toEqual([17, 3, 4, 20, 0, 10]);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ unavailable: 7n });
    await adjust(sku, DAMAGED, -1);
    await adjust(sku, QUALITY_CONTROL, -4);
    await adjust(sku, INCOMING, -5, StockReason.ORDERED);
    expect(await units(sku)).toEqual([12, 2, 0, 15, 0, 10]);
    const { ledgerEntries } = await inventory.stock.listLedgerEntries({ sku, pageSize: 3 });
    expect(
      ledgerEntries.map((entry) => [
        entry.onHandDelta,
        entry.onHandAfter,
        entry.damagedDelta,
        entry.qualityControlDelta,
        entry.incomingDelta,
      ]),
    ).toEqual([
      [0n, 12n, 0n, 0n, -5n],
      [-4n, 12n, 0n, -4n, 0n],
      [-1n, 16n, -1n, 0n, 0n],
    ]);
  });

  test.each([
    [AVAILABLE, '10'],
    [DAMAGED, '3'],
    [QUALITY_CONTROL, '4'],
    [INCOMING, '5'],
  ])('takes no more off than there is in state %d', async (state, available) => {
    const sku = await newItem();
    await adjust(sku, AVAILABLE, 10);
    await adjust(sku, DAMAGED, 3);
    await adjust(sku, QUALITY_CONTROL, 4);
    await adjust(sku, INCOMING, 5);
    const error = await failure(adjust(sku, state, -Number(available) - 1));
    expect(reasonOf(error)).toBe('INSUFFICIENT_STOCK');
    expect(metadataOf(error)).toMatchObject({ available });
    await adjust(sku, state, -Number(available));
  });

  test('safety is set or moved, not adjusted', async () => {
    const sku = await newItem();
    expect(fieldViolationsOf(await failure(adjust(sku, SAFETY, 1))).map(({ field }) => field)).toEqual(['state']);
  });
});

describe('move', () => {
  test.each([
    [AVAILABLE, DAMAGED, [40, 11, 10, 10, 10, 9]],
    [AVAILABLE, QUALITY_CONTROL, [40, 10, 11, 10, 10, 9]],
    [AVAILABLE, SAFETY, [40, 10, 10, 10, 11, 9]],
    [DAMAGED, AVAILABLE, [40, 9, 10, 10, 10, 11]],
    [DAMAGED, QUALITY_CONTROL, [40, 9, 11, 10, 10, 10]],
    [DAMAGED, SAFETY, [40, 9, 10, 10, 11, 10]],
    [QUALITY_CONTROL, AVAILABLE, [40, 10, 9, 10, 10, 11]],
    [QUALITY_CONTROL, DAMAGED, [40, 11, 9, 10, 10, 10]],
    [QUALITY_CONTROL, SAFETY, [40, 10, 9, 10, 11, 10]],
    [INCOMING, AVAILABLE, [41, 10, 10, 9, 10, 11]],
    [INCOMING, DAMAGED, [41, 11, 10, 9, 10, 10]],
    [INCOMING, QUALITY_CONTROL, [41, 10, 11, 9, 10, 10]],
    [INCOMING, SAFETY, [41, 10, 10, 9, 11, 10]],
    [SAFETY, AVAILABLE, [40, 10, 10, 10, 9, 11]],
    [SAFETY, DAMAGED, [40, 11, 10, 10, 9, 10]],
    [SAFETY, QUALITY_CONTROL, [40, 10, 11, 10, 9, 10]],
  ])('from %d to %d moves one unit, and no more than there are', async (from, to, expected) => {
    const sku = await newItem();
    await adjust(sku, AVAILABLE, 20);
    await adjust(sku, DAMAGED, 10);
    await adjust(sku, QUALITY_CONTROL, 10);
    await adjust(sku, INCOMING, 10);
    await inventory.stock.setStock({ requestId: requestId(), sku, locationId: 'alpha', safety: 10n });
    expect(await units(sku)).toEqual([40, 10, 10, 10, 10, 10]);
    const { stockLevel, ledgerEntry } = await move(sku, from, to, 1, { source: 'note' });
    expect(await units(sku)).toEqual(expected);
    expect(stockLevel).toEqual(await levelAt(inventory, sku, 'alpha'));
    expect(ledgerEntry).toMatchObject({
      source: 'note',
      actor: 'shipping',
      reason: from === INCOMING ? StockReason.RECEIVED : StockReason.MOVED,
    });
    const error = await failure(move(sku, from, to, 21));
    expect(reasonOf(error)).toBe('INSUFFICIENT_STOCK');
    const free = Number(metadataOf(error).available);
    expect(await reasonFrom(move(sku, from, to, free + 1))).toBe('INSUFFICIENT_STOCK');
    await move(sku, from, to, free);
    await checkInvariants(inventory.pool);
  });

  test('never takes promised units out of sale', async () => {
    const sku = await newItem();
    await addStock(inventory, sku, 'alpha', 5);
    // As a reservation of 4 would have it, told to both tables.
    await inventory.pool.query(
      `WITH held AS (
         INSERT INTO reservations (state, expire_time, reference) VALUES (2, now() + interval '1 day', '') RETURNING reservation_id),
       allocated AS (
         INSERT INTO allocations (reservation_id, sku, location_id, quantity) SELECT reservation_id, $1, 'alpha', 4 FROM held)
       UPDATE stock SET reserved = 4 WHERE sku = $1`,
      [sku],
    );
    for (const to of [DAMAGED, QUALITY_CONTROL, SAFETY]) {
      expect(metadataOf(await failure(move(sku, AVAILABLE, to, 2)))).toMatchObject({ requested: '2', available: '1' });
    }
    await move(sku, AVAILABLE, DAMAGED, 1);
    expect(await units(sku)).toEqual([5, 1, 0, 0, 0, 0]);
  });

  test('refuses moves that are none, and units that would become expected again', async () => {
    const sku = await newItem();
    await adjust(sku, AVAILABLE, 5);
    for (const [from, to] of [
      [AVAILABLE, AVAILABLE],
      [INCOMING, INCOMING],
      [AVAILABLE, INCOMING],
      [SAFETY, INCOMING],
    ] as const) {
      expect(await reasonFrom(move(sku, from, to, 1))).toBe('STOCK_MOVE_INVALID');
    }
    const fieldsOf = async (call: Promise<unknown>) => fieldViolationsOf(await failure(call)).map(({ field }) => field);
    expect(await fieldsOf(move(sku, StockState.UNSPECIFIED, DAMAGED, 1))).toEqual(['from_state']);
    expect(await fieldsOf(move(sku, AVAILABLE, 17 as StockState, 1))).toEqual(['to_state']);
    for (const quantity of [0n, -1n, 1_000_000_001n, 9_223_372_036_854_775_807n]) {
      expect(await fieldsOf(move(sku, AVAILABLE, DAMAGED, quantity))).toEqual(['quantity']);
    }
    expect(await reasonFrom(move('M-NONE', AVAILABLE, DAMAGED, 1))).toBe('ITEM_NOT_FOUND');
    expect(await reasonFrom(move(sku, AVAILABLE, DAMAGED, 1, { locationId: 'nowhere' }))).toBe('LOCATION_NOT_FOUND');
    expect(await reasonFrom(move(sku, AVAILABLE, DAMAGED, 1, { lotId: 'L' }))).toBe('LOT_UNEXPECTED');
    expect(await units(sku)).toEqual([5, 0, 0, 0, 0, 5]);
  });

  test('units of a transfer on its way are neither moved nor written off here', async () => {
    const sku = await newItem();
    await adjust(sku, INCOMING, 10);
    // 7 of the 10 belong to a transfer.
    await inventory.pool.query(
      `WITH shipped AS (
         INSERT INTO transfers (state, source_location_id, destination_location_id, reference)
         VALUES (3, 'beta', 'alpha', '') RETURNING transfer_id)
       INSERT INTO transfer_lines (transfer_id, sku, quantity, accepted_quantity)
       SELECT transfer_id, $1, 9, 2 FROM shipped`,
      [sku],
    );
    expect(metadataOf(await failure(move(sku, INCOMING, AVAILABLE, 4)))).toMatchObject({ available: '3' });
    expect(metadataOf(await failure(adjust(sku, INCOMING, -4)))).toMatchObject({ available: '3' });
    await move(sku, INCOMING, AVAILABLE, 3);
    await inventory.pool.query('DELETE FROM transfers');
  });

  test('parallel moves of the last units never take more than there are', async () => {
    const sku = await newItem();
    await adjust(sku, AVAILABLE, 10);
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        reasonFrom(move(sku, AVAILABLE, index % 2 === 0 ? DAMAGED : QUALITY_CONTROL, 1)),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(10);
    expect(outcomes.filter((outcome) => outcome === 'INSUFFICIENT_STOCK')).toHaveLength(20);
    const [onHand, damaged, qualityControl, , , available] = await units(sku);
    expect([onHand, (damaged ?? 0) + (qualityControl ?? 0), available]).toEqual([10, 10, 0]);
  });

  test('repeated, it answers the same and moves nothing again', async () => {
    const sku = await newItem();
    await adjust(sku, AVAILABLE, 10);
    const id = requestId();
    const first = await move(sku, AVAILABLE, DAMAGED, 4, { requestId: id });
    expect(await move(sku, AVAILABLE, DAMAGED, 4, { requestId: id })).toEqual(first);
    expect(await units(sku)).toEqual([10, 4, 0, 0, 0, 6]);
    expect(await reasonFrom(move(sku, AVAILABLE, DAMAGED, 5, { requestId: id }))).toBe('REQUEST_ID_REUSED');
  });
});
