import { fromJson, fromJsonString } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { LowStockSchema, StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { transaction } from '@weft/runtime/data/pool';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { tellExpired } from '../src/stock/expiry.ts';
import { post } from '../src/stock/ledger.ts';
import { lockStock } from '../src/stock/lock.ts';
import { addItem, addLocation, addStock, NEVER_MS, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';
import type { ItemFields } from './reserving.ts';

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
/** An item with so many units, low at so many. */
async function newItem(units: number, lowStockThreshold: number, fields: ItemFields = {}): Promise<string> {
  skus += 1;
  const sku = `LOW-${skus}`;
  await addItem(inventory, { sku, ...fields });
  if (units > 0) {
    await addStock(inventory, sku, 'alpha', units);
  }
  if (lowStockThreshold > 0) {
    await set(sku, { lowStockThreshold: BigInt(lowStockThreshold) });
  }
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
const move = (sku: string, fromState: StockState, toState: StockState, quantity: bigint) =>
  inventory.stock.moveStock({ requestId: requestId(), sku, locationId: 'alpha', fromState, toState, quantity });
const reserve = (sku: string, quantity: bigint) =>
  inventory.reservations.createReservation({
    requestId: requestId(),
    lines: [{ sku, quantity }],
    ttl: { seconds: 600n },
  });

/** What was told of an item, in order: units available and the threshold. */
async function told(sku: string): Promise<string[]> {
  const { rows } = await inventory.pool.query<{ payload: string }>(
    `SELECT convert_from(payload, 'UTF8') AS payload FROM changes
     WHERE topic = 'stock' AND key = $1 AND payload <> '' ORDER BY transaction, position`,
    [`${sku} alpha`],
  );
  return rows.map(({ payload }) => {
    const low = fromJsonString(LowStockSchema, payload);
    expect(low).toMatchObject({ sku, locationId: 'alpha' });
    return `${low.available}<=${low.lowStockThreshold}`;
  });
}

describe('told once as units fall to the threshold', () => {
  test('by an adjustment, and not again while they stay below', async () => {
    const sku = await newItem(10, 5);
    await addStock(inventory, sku, 'alpha', -4);
    expect(await told(sku)).toEqual([]);
    await addStock(inventory, sku, 'alpha', -1);
    expect(await told(sku)).toEqual(['5<=5']);
    await addStock(inventory, sku, 'alpha', -2);
    await addStock(inventory, sku, 'alpha', 2);
    await addStock(inventory, sku, 'alpha', -5);
    expect(await told(sku)).toEqual(['5<=5']);
  });

  test('by a reservation, and again after its release has lifted them above', async () => {
    const sku = await newItem(10, 5);
    const { reservation } = await reserve(sku, 7n);
    expect(await told(sku)).toEqual(['3<=5']);
    await inventory.reservations.releaseReservation({
      requestId: requestId(),
      reservationId: reservation?.reservationId ?? '',
    });
    expect(await told(sku)).toEqual(['3<=5']);
    await reserve(sku, 5n);
    expect(await told(sku)).toEqual(['3<=5', '5<=5']);
  });

  test('by a move out of sale, by safety stock, by an import', async () => {
    const moved = await newItem(10, 5);
    await move(moved, StockState.AVAILABLE, StockState.DAMAGED, 6n);
    expect(await told(moved)).toEqual(['4<=5']);
    await move(moved, StockState.DAMAGED, StockState.AVAILABLE, 6n);
    await move(moved, StockState.AVAILABLE, StockState.SAFETY, 5n);
    expect(await told(moved)).toEqual(['4<=5', '5<=5']);
    const kept = await newItem(10, 5);
    await set(kept, { safety: 20n });
    expect(await told(kept)).toEqual(['-10<=5']);
    const imported = await newItem(10, 5);
    const rows = [{ sku: imported, locationId: 'alpha', onHand: 2n, safety: 0n }];
    await inventory.stock.importStock(
      (async function* () {
        yield { requestId: requestId(), firstLine: 1n, rows };
      })(),
    );
    expect(await told(imported)).toEqual(['2<=5']);
  });

  test('by a lot that expires, and not again by what is taken of its units or booked out of it', async () => {
    const sku = await newItem(0, 0, { lotTracked: true });
    const ofLot = (lotId: string, delta: bigint, fields: object = {}) =>
      inventory.stock.adjustStock({
        requestId: requestId(),
        sku,
        locationId: 'alpha',
        lotId,
        delta,
        reason: delta > 0n ? StockReason.RECEIVED : StockReason.DAMAGED,
        ...fields,
      });
    const lotExpireTime = timestampFromMs(Date.now() + 3_600_000);
    await ofLot('OLD', 6n, { lotExpireTime });
    await ofLot('NEW', 7n, { lotExpireTime });
    await set(sku, { lowStockThreshold: 8n });
    await inventory.pool.query(`UPDATE lots SET expire_time = now() WHERE sku = $1 AND lot_id = 'OLD'`, [sku]);
    const tell = () => tellExpired(inventory.pool, new AbortController().signal);
    await Promise.all([tell(), tell(), tell()]);
    expect(await told(sku)).toEqual(['7<=8']);
    // 12 units are on hand until the expired ones are gone: what is sold meanwhile crosses nothing.
    await reserve(sku, 1n);
    await ofLot('OLD', -6n);
    expect(await told(sku)).toEqual(['7<=8']);
    await ofLot('NEW', 3n);
    await reserve(sku, 1n);
    expect(await told(sku)).toEqual(['7<=8', '8<=8']);
  });

  test('by whoever writes first after a lot has expired, though nobody has told of that yet', async () => {
    const sku = await newItem(0, 0, { lotTracked: true });
    const lot = { lotId: 'OLD', lotExpireTime: timestampFromMs(Date.now() + 3_600_000) };
    await set(sku, { ...lot, onHand: 6n, expectedOnHand: 0n, lowStockThreshold: 2n });
    expect(await told(sku)).toEqual([]);
    await inventory.pool.query('UPDATE lots SET expire_time = now() WHERE sku = $1', [sku]);
    await set(sku, { safety: 1n });
    expect(await told(sku)).toEqual(['-1<=2']);
    await tellExpired(inventory.pool, new AbortController().signal);
    expect(await told(sku)).toEqual(['-1<=2']);
  });

  test('by whichever of many parallel callers crosses it', async () => {
    const sku = await newItem(40, 20);
    await Promise.all(Array.from({ length: 40 }, () => addStock(inventory, sku, 'alpha', -1)));
    expect(await told(sku)).toEqual(['20<=20']);
  });
});

describe('not told', () => {
  test('without a threshold', async () => {
    const sku = await newItem(10, 0);
    await addStock(inventory, sku, 'alpha', -10);
    expect(await told(sku)).toEqual([]);
  });

  test('by what is refused or rolled back', async () => {
    const sku = await newItem(10, 5);
    expect(await reasonFrom(addStock(inventory, sku, 'alpha', -11))).toBe('INSUFFICIENT_STOCK');
    const broken = transaction(inventory.pool, async (tx) => {
      await lockStock(tx, [sku]);
      await post(tx, [{ sku, locationId: 'alpha', onHand: -9n }], {
        reason: StockReason.CORRECTION,
        source: '',
        actor: '',
      });
      throw new Error('and then it broke');
    });
    await expect(broken).rejects.toThrow('and then it broke');
    expect(await told(sku)).toEqual([]);
  });
});

describe('the threshold itself', () => {
  test('tells as it is set above what is available, and only if it was not low before', async () => {
    const sku = await newItem(10, 0);
    await set(sku, { lowStockThreshold: 12n });
    expect(await told(sku)).toEqual(['10<=12']);
    await set(sku, { lowStockThreshold: 15n });
    await set(sku, { lowStockThreshold: 11n });
    expect(await told(sku)).toEqual(['10<=12']);
    await set(sku, { lowStockThreshold: 9n });
    await set(sku, { lowStockThreshold: 10n });
    expect(await told(sku)).toEqual(['10<=12', '10<=10']);
    await set(sku, { lowStockThreshold: 0n });
    await addStock(inventory, sku, 'alpha', -10);
    expect(await told(sku)).toEqual(['10<=12', '10<=10']);
  });

  test.each([
    // From units and threshold to units and threshold: what is told.
    [10, 5, 4, 3, []],
    [10, 5, 3, 3, ['3<=3']],
    [10, 5, 20, 30, ['20<=30']],
    [3, 0, 10, 5, []],
    [10, 0, 3, 5, ['3<=5']],
    [10, 5, 12, 11, []],
  ])('set together with what is on hand, from %d/%d to %d/%d, tells of the end only', async (...numbers) => {
    const [units, threshold, unitsThen, thresholdThen, expected] = numbers;
    const sku = await newItem(units, threshold);
    await set(sku, {
      onHand: BigInt(unitsThen),
      expectedOnHand: BigInt(units),
      lowStockThreshold: BigInt(thresholdThen),
    });
    expect(await told(sku)).toEqual(expected);
  });
});

test('is a message of the stream of stock levels, beside what changed', async () => {
  const sku = await newItem(10, 5);
  const seen: unknown[] = [];
  for await (const { event } of inventory.stock.watchStockLevels({ skus: [sku] })) {
    if (event.case === 'bookmark' && seen.length === 0) {
      seen.push('listed');
      await addStock(inventory, sku, 'alpha', -6);
    }
    if (event.case === 'lowStock') {
      expect(event.value).toMatchObject(
        fromJson(LowStockSchema, { sku, locationId: 'alpha', available: '4', lowStockThreshold: '5' }),
      );
      break;
    }
  }
  expect(seen).toEqual(['listed']);
});
