import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { tellExpired } from '../src/stock/expiry.ts';
import { addItem, addLocation, levelAt, NEVER_MS, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

const { AVAILABLE, DAMAGED, QUALITY_CONTROL, INCOMING, SAFETY } = StockState;

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
  for (const locationId of ['alpha', 'beta', 'gamma']) {
    await addLocation(inventory, { locationId });
  }
});
afterAll(async () => {
  await checkInvariants(inventory.pool);
  await inventory.stop();
});

let skus = 0;
async function newItem(lotTracked = true): Promise<string> {
  skus += 1;
  const sku = `L-${skus}`;
  await addItem(inventory, { sku, lotTracked });
  return sku;
}

const DAY_MS = 86_400_000;
const inDays = (days: number) => timestampFromDate(new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS + days * DAY_MS));
const SOON = inDays(30);
const LATER = inDays(90);

type Adjust = Omit<Parameters<TestInventory['stock']['adjustStock']>[0], '$typeName'>;
const adjust = (sku: string, lotId: string, delta: number, fields: Adjust = {}) =>
  inventory.stock.adjustStock({
    requestId: requestId(),
    sku,
    locationId: 'alpha',
    lotId,
    delta: BigInt(delta),
    reason: StockReason.RECEIVED,
    ...fields,
  });

/** Makes a lot's units reserved, as a confirmed reservation would. */
async function reserve(sku: string, lotId: string, quantity: number): Promise<void> {
  await inventory.pool.query(
    `WITH made AS (
       INSERT INTO reservations (state, expire_time, reference) VALUES (2, now() + interval '1 day', '') RETURNING reservation_id
     ), allocated AS (
       INSERT INTO allocations (reservation_id, sku, location_id, lot_id, quantity)
       SELECT reservation_id, $1, 'alpha', $2, $3 FROM made
     ), lot AS (
       UPDATE lot_stock SET reserved = reserved + $3 WHERE sku = $1 AND location_id = 'alpha' AND lot_id = $2)
     UPDATE stock SET reserved = reserved + $3 WHERE sku = $1 AND location_id = 'alpha'`,
    [sku, lotId, quantity],
  );
}

/** The lot is past its expiry from now on. */
const expire = (sku: string, lotId: string) =>
  inventory.pool.query('UPDATE lots SET expire_time = now() WHERE sku = $1 AND lot_id = $2', [sku, lotId]);

async function lotsOf(sku: string, locationId = 'alpha') {
  const level = await levelAt(inventory, sku, locationId);
  return level?.lots.map((lot) => `${lot.lotId}:${lot.onHand}`);
}

describe('what is named', () => {
  test('first units of a lot need its expiry, later ones may leave it out and must not contradict it', async () => {
    const sku = await newItem();
    expect(await reasonFrom(adjust(sku, '', 5))).toBe('LOT_REQUIRED');
    const error = await failure(adjust(sku, 'A', 5));
    expect(reasonOf(error)).toBe('LOT_REQUIRED');
    expect(metadataOf(error)).toEqual({ sku, lot_id: 'A' });
    expect(await reasonFrom(adjust(sku, 'A', -5, { lotExpireTime: SOON }))).toBe('INSUFFICIENT_STOCK');
    expect(await levelAt(inventory, sku, 'alpha')).toBeUndefined();

    const { stockLevel, ledgerEntry } = await adjust(sku, 'A', 5, { lotExpireTime: SOON });
    expect(ledgerEntry).toMatchObject({ lotId: 'A', onHandDelta: 5n, onHandAfter: 5n });
    expect(stockLevel?.lots).toMatchObject([
      { lotId: 'A', expireTime: SOON, onHand: 5n, reserved: 0n, damaged: 0n, qualityControl: 0n, expired: false },
    ]);
    await adjust(sku, 'A', 1);
    await adjust(sku, 'A', 1, { lotExpireTime: SOON });
    expect(await reasonFrom(adjust(sku, 'A', 1, { lotExpireTime: LATER }))).toBe('LOT_EXPIRY_MISMATCH');
    expect(await reasonFrom(adjust(sku, 'A', 1, { locationId: 'beta', lotExpireTime: LATER }))).toBe(
      'LOT_EXPIRY_MISMATCH',
    );
    await adjust(sku, 'A', 1, { locationId: 'beta' });
    expect(await lotsOf(sku)).toEqual(['A:7']);
    expect(await lotsOf(sku, 'beta')).toEqual(['A:1']);
  });

  test('a lot that is emptied is remembered with its expiry, and shown no more', async () => {
    const sku = await newItem();
    await adjust(sku, 'A', 5, { lotExpireTime: SOON });
    await adjust(sku, 'A', -5);
    expect(await lotsOf(sku)).toEqual([]);
    expect(await reasonFrom(adjust(sku, 'A', 1, { lotExpireTime: LATER }))).toBe('LOT_EXPIRY_MISMATCH');
    await adjust(sku, 'A', 1);
  });

  test('items without lots take none, and what is on the way or kept back is of none', async () => {
    const plain = await newItem(false);
    expect(await reasonFrom(adjust(plain, 'A', 5, { lotExpireTime: SOON }))).toBe('LOT_UNEXPECTED');
    const sku = await newItem();
    expect(await reasonFrom(adjust(sku, 'A', 5, { lotExpireTime: SOON, state: INCOMING }))).toBe('LOT_UNEXPECTED');
    await adjust(sku, '', 5, { state: INCOMING });
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ incoming: 5n, onHand: 0n });
  });

  test('an expiry or a lot that cannot be is refused', async () => {
    const sku = await newItem();
    const fieldsOf = async (call: Promise<unknown>) => fieldViolationsOf(await failure(call)).map(({ field }) => field);
    for (const seconds of [253_402_300_800n, 9_223_372_036_854_775_807n, -62_135_596_801n]) {
      expect(await fieldsOf(adjust(sku, 'A', 1, { lotExpireTime: { seconds } }))).toEqual(['lot_expire_time']);
    }
    expect(await fieldsOf(adjust(sku, 'A', 1, { lotExpireTime: { seconds: 1n, nanos: -1 } }))).toEqual([
      'lot_expire_time',
    ]);
    for (const lotId of [' A', 'A B', 'A'.repeat(65), '-A']) {
      expect(await fieldsOf(adjust(sku, lotId, 1))).toEqual(['lot_id']);
    }
  });

  test('first units of one lot that come to many places at once make it once', async () => {
    const sku = await newItem();
    const outcomes = await Promise.all(
      ['alpha', 'beta', 'gamma'].flatMap((locationId) =>
        [SOON, LATER].map((lotExpireTime) => reasonFrom(adjust(sku, 'A', 1, { locationId, lotExpireTime }))),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(3);
    expect(outcomes.filter((outcome) => outcome === 'LOT_EXPIRY_MISMATCH')).toHaveLength(3);
  });
});

describe('levels', () => {
  test('have their lots, the first to expire first, in lists, batches and streams alike', async () => {
    const sku = await newItem();
    await adjust(sku, 'B', 5, { lotExpireTime: LATER });
    await adjust(sku, 'C', 2, { lotExpireTime: SOON });
    await adjust(sku, 'A', 1_000_000_000, { lotExpireTime: LATER });
    await reserve(sku, 'B', 2);
    await adjust(sku, 'B', 1, { state: DAMAGED });
    await adjust(sku, 'C', 3, { state: QUALITY_CONTROL });
    const level = await levelAt(inventory, sku, 'alpha');
    expect(level).toMatchObject({ onHand: 1_000_000_011n, reserved: 2n, damaged: 1n, qualityControl: 3n, expired: 0n });
    expect(level?.lots).toMatchObject([
      { lotId: 'C', expireTime: SOON, onHand: 5n, reserved: 0n, damaged: 0n, qualityControl: 3n, expired: false },
      { lotId: 'A', expireTime: LATER, onHand: 1_000_000_000n, expired: false },
      { lotId: 'B', expireTime: LATER, onHand: 6n, reserved: 2n, damaged: 1n, qualityControl: 0n, expired: false },
    ]);
    const { stockLevels } = await inventory.stock.listStockLevels({ locationId: 'alpha', pageSize: 200 });
    expect(stockLevels.filter((one) => one.sku === sku)).toEqual([level]);
    for await (const { event } of inventory.stock.watchStockLevels({})) {
      if (event.case === 'changed' && event.value.sku === sku) {
        expect(event.value).toEqual(level);
        break;
      }
      expect(event.case).toBe('changed');
    }
  });

  test('a hold that ran out does not count in its lot either, before anybody has tidied it', async () => {
    const sku = await newItem();
    await adjust(sku, 'A', 5, { lotExpireTime: SOON });
    await reserve(sku, 'A', 3);
    await inventory.pool.query(
      `UPDATE reservations SET state = 1, expire_time = now()
       WHERE reservation_id IN (SELECT reservation_id FROM allocations WHERE sku = $1)`,
      [sku],
    );
    const level = await levelAt(inventory, sku, 'alpha');
    expect(level).toMatchObject({ reserved: 0n, available: 5n, lots: [{ reserved: 0n }] });
    await expire(sku, 'A');
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ expired: 5n, available: 0n });
    const { stockLevel } = await adjust(sku, 'A', -5, { reason: StockReason.DAMAGED });
    expect(stockLevel).toMatchObject({ onHand: 0n, reserved: 0n, expired: 0n });
  });
});

describe('units of a lot', () => {
  test('leave only as far as that very lot has free ones', async () => {
    const sku = await newItem();
    await adjust(sku, 'A', 5, { lotExpireTime: SOON });
    await adjust(sku, 'B', 5, { lotExpireTime: LATER });
    await reserve(sku, 'A', 4);
    const take = (lotId: string, units: number) => failure(adjust(sku, lotId, -units)).then(metadataOf);
    expect(await take('A', 2)).toEqual({ sku, location_id: 'alpha', requested: '2', available: '1' });
    expect(await take('B', 6)).toMatchObject({ available: '5' });
    await adjust(sku, 'A', -1);
    await adjust(sku, 'B', -5);
    expect(await lotsOf(sku)).toEqual(['A:4']);
  });

  test('are set by what is believed to be there of the lot', async () => {
    const sku = await newItem();
    const set = (lotId: string, onHand: bigint, expectedOnHand: bigint, lotExpireTime = SOON) =>
      inventory.stock.setStock({
        requestId: requestId(),
        sku,
        locationId: 'alpha',
        lotId,
        lotExpireTime,
        onHand,
        expectedOnHand,
        reason: StockReason.CORRECTION,
      });
    await set('A', 10n, 0n);
    await set('B', 20n, 0n);
    expect(await reasonFrom(set('', 1n, 30n))).toBe('LOT_REQUIRED');
    const error = await failure(set('A', 1n, 30n));
    expect(reasonOf(error)).toBe('STOCK_CHANGED');
    expect(metadataOf(error)).toMatchObject({ on_hand: '10', expected: '30' });
    expect(await reasonFrom(set('A', 1n, 10n, LATER))).toBe('LOT_EXPIRY_MISMATCH');
    await reserve(sku, 'B', 15);
    expect(await reasonFrom(set('B', 14n, 20n))).toBe('INSUFFICIENT_STOCK');
    const { stockLevel, ledgerEntry } = await set('B', 15n, 20n);
    expect(stockLevel).toMatchObject({ onHand: 25n, lots: [{ lotId: 'A' }, { lotId: 'B', onHand: 15n }] });
    expect(ledgerEntry).toMatchObject({ lotId: 'B', onHandDelta: -5n, onHandAfter: 25n });
  });

  test('are not named where only what is kept back or told as low is set', async () => {
    const sku = await newItem();
    const { stockLevel } = await inventory.stock.setStock({
      requestId: requestId(),
      sku,
      locationId: 'alpha',
      safety: 3n,
      lowStockThreshold: 2n,
    });
    expect(stockLevel).toMatchObject({ onHand: 0n, safety: 3n, lowStockThreshold: 2n, available: -3n });
  });

  test('move between states within their lot, and get one as they come in', async () => {
    const sku = await newItem();
    const move = (
      from: StockState,
      to: StockState,
      quantity: number,
      lotId = '',
      lotExpireTime?: typeof SOON | undefined,
    ) =>
      inventory.stock.moveStock({
        requestId: requestId(),
        sku,
        locationId: 'alpha',
        fromState: from,
        toState: to,
        quantity: BigInt(quantity),
        lotId,
        ...(lotExpireTime === undefined ? {} : { lotExpireTime }),
      });
    await adjust(sku, '', 20, { state: INCOMING });
    expect(await reasonFrom(move(INCOMING, AVAILABLE, 5))).toBe('LOT_REQUIRED');
    expect(await reasonFrom(move(INCOMING, AVAILABLE, 5, 'A'))).toBe('LOT_REQUIRED');
    const { ledgerEntry } = await move(INCOMING, AVAILABLE, 5, 'A', SOON);
    expect(ledgerEntry).toMatchObject({
      lotId: 'A',
      incomingDelta: -5n,
      onHandDelta: 5n,
      reason: StockReason.RECEIVED,
    });
    await move(INCOMING, QUALITY_CONTROL, 5, 'B', LATER);
    await move(INCOMING, SAFETY, 2, 'B');
    await reserve(sku, 'A', 4);
    expect(metadataOf(await failure(move(AVAILABLE, DAMAGED, 2, 'A')))).toMatchObject({ available: '1' });
    await move(AVAILABLE, DAMAGED, 1, 'A');
    expect(metadataOf(await failure(move(QUALITY_CONTROL, AVAILABLE, 1, 'A')))).toMatchObject({ available: '0' });
    await move(QUALITY_CONTROL, AVAILABLE, 2, 'B');
    expect(await reasonFrom(move(AVAILABLE, SAFETY, 1, 'B'))).toBe('LOT_UNEXPECTED');
    await move(AVAILABLE, SAFETY, 1);
    await move(SAFETY, AVAILABLE, 3);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({
      onHand: 12n,
      reserved: 4n,
      damaged: 1n,
      qualityControl: 3n,
      incoming: 8n,
      safety: 0n,
      available: 4n,
      lots: [
        { lotId: 'A', onHand: 5n, reserved: 4n, damaged: 1n, qualityControl: 0n },
        { lotId: 'B', onHand: 7n, reserved: 0n, damaged: 0n, qualityControl: 3n },
      ],
    });
  });

  test('that are free when their lot expires are unavailable at that instant, and can be thrown away', async () => {
    const sku = await newItem();
    await adjust(sku, 'A', 10, { lotExpireTime: SOON });
    await adjust(sku, 'B', 5, { lotExpireTime: LATER });
    await adjust(sku, 'A', 1, { state: DAMAGED });
    await reserve(sku, 'A', 4);
    await expire(sku, 'A');
    const level = await levelAt(inventory, sku, 'alpha');
    // 6 free ones of A; its damaged one is unavailable already, and its reserved ones are not available anyway.
    expect(level).toMatchObject({
      onHand: 16n,
      reserved: 4n,
      unavailable: 7n,
      damaged: 1n,
      expired: 6n,
      available: 5n,
    });
    expect(level?.lots.map(({ lotId, expired }) => [lotId, expired])).toEqual([
      ['A', true],
      ['B', false],
    ]);
    expect(metadataOf(await failure(adjust(sku, 'A', -7, { reason: StockReason.DAMAGED })))).toMatchObject({
      available: '6',
    });
    const { stockLevel } = await adjust(sku, 'A', -6, { reason: StockReason.DAMAGED });
    expect(stockLevel).toMatchObject({ onHand: 10n, expired: 0n, unavailable: 1n, available: 5n });
  });

  test('parallel bookings of a lot take no more than it has', async () => {
    const sku = await newItem();
    await adjust(sku, 'A', 10, { lotExpireTime: SOON });
    await adjust(sku, 'B', 100, { lotExpireTime: LATER });
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => reasonFrom(adjust(sku, 'A', -1))));
    expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(10);
    expect(await lotsOf(sku)).toEqual(['B:100']);
  });
});

describe('the news of an expiry', () => {
  const tell = () => tellExpired(inventory.pool, new AbortController().signal);
  async function changesOf(sku: string): Promise<string[]> {
    const { rows } = await inventory.pool.query<{ key: string }>(
      `SELECT key FROM changes WHERE topic = 'stock' AND key LIKE $1 ORDER BY transaction, position`,
      [`${sku} %`],
    );
    return rows.map(({ key }) => key.slice(sku.length + 1));
  }

  test('comes to the watchers of each level that the lot is in, once', async () => {
    const sku = await newItem();
    await adjust(sku, 'A', 5, { lotExpireTime: SOON });
    await adjust(sku, 'A', 5, { locationId: 'beta' });
    await adjust(sku, 'A', 5, { locationId: 'gamma' });
    await adjust(sku, 'A', -5, { locationId: 'gamma' });
    await adjust(sku, 'B', 5, { lotExpireTime: LATER });
    await tell();
    const before = await changesOf(sku);
    await expire(sku, 'A');
    // Several replicas tell at once.
    await Promise.all([tell(), tell(), tell()]);
    await tell();
    expect((await changesOf(sku)).slice(before.length)).toEqual(['alpha', 'beta']);
  });

  test('comes by itself, with the level as it is then', async () => {
    const swept = await startInventory({ sweepIntervalMs: 50 });
    try {
      const place = { sku: 'L-SWEPT', locationId: 'alpha' };
      await addItem(swept, { sku: place.sku, lotTracked: true });
      await addLocation(swept, { locationId: place.locationId });
      const lot = { lotId: 'A', lotExpireTime: SOON, delta: 5n, reason: StockReason.RECEIVED };
      await swept.stock.adjustStock({ requestId: requestId(), ...place, ...lot });
      let listed = false;
      for await (const { event } of swept.stock.watchStockLevels({ skus: [place.sku] })) {
        if (event.case === 'bookmark' && !listed) {
          listed = true;
          await swept.pool.query('UPDATE lots SET expire_time = now()');
        }
        if (event.case === 'changed' && event.value.expired === 5n) {
          expect(event.value).toMatchObject({ onHand: 5n, available: 0n, lots: [{ lotId: 'A', expired: true }] });
          break;
        }
      }
    } finally {
      await swept.stop();
    }
  });

  test('of more lots than are told at once reaches the last', async () => {
    const sku = await newItem();
    await inventory.pool.query(
      `INSERT INTO lots (sku, lot_id, expire_time) SELECT $1, 'N-' || n, now() FROM generate_series(1, 250) n`,
      [sku],
    );
    await tell();
    const { rows } = await inventory.pool.query('SELECT FROM lots WHERE NOT expiry_told AND expire_time <= now()');
    expect(rows).toHaveLength(0);
  });
});
