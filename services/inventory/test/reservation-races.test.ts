/**
 * Reservations against what changes at the same instant: limits of backorders, deletions, deliveries, kits that are recomposed, lots
 * whose hold ran out. Each of these was once wrong.
 */

import { toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { CreateReservationResponseSchema } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { releaseTeller } from '../src/items/release.ts';
import { addItem, addLocation, addStock, levelAt, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';
import { act, availabilityOf, brief, reserve, startWithLocations, stocked } from './reserving.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startWithLocations();
});
afterEach(() => checkInvariants(inventory.pool));
afterAll(() => inventory.stop());

const backordered = (backorderLimit: bigint) => ({ outOfStockPolicy: OutOfStockPolicy.BACKORDER, backorderLimit });

async function received(sku: string, lotId: string, units: bigint, expireMs: number): Promise<void> {
  await inventory.stock.adjustStock({
    requestId: requestId(),
    sku,
    locationId: 'berlin',
    delta: units,
    reason: StockReason.RECEIVED,
    lotId,
    lotExpireTime: timestampFromMs(expireMs),
  });
}

/** Makes a hold run out now: as the clock would, without waiting for it. Nobody tidies. */
const runOut = async (reservationId: string) =>
  await inventory.pool.query('UPDATE reservations SET expire_time = now() WHERE reservation_id = $1', [reservationId]);

/** Waits until somebody waits for a lock. */
async function waitedFor(): Promise<void> {
  await expect
    .poll(async () => {
      const { rows } = await inventory.pool.query<{ count: bigint }>(
        "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      return rows[0]?.count;
    })
    .toBeGreaterThan(0n);
}

describe('backorders', () => {
  test('keep their limit while their first rows are made, at several places at once', async () => {
    for (let round = 0; round < 4; round += 1) {
      const sku = await stocked(inventory, {}, backordered(5n));
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, (_, index) => {
          const locationId = ['austin', 'berlin', ''][index % 3] ?? '';
          return reasonFrom(reserve(inventory, [{ sku, quantity: 1n, locationId }]));
        }),
      );
      expect(outcomes.filter((reason) => reason === undefined)).toHaveLength(5);
      expect(new Set(outcomes)).toEqual(new Set([undefined, 'INSUFFICIENT_STOCK']));
    }
  });

  test('are not promised of an item that is deleted at the same instant', async () => {
    for (let round = 0; round < 12; round += 1) {
      const sku = await stocked(inventory, {}, backordered(5n));
      const outcomes = await Promise.all([
        reasonFrom(reserve(inventory, [{ sku, quantity: 1n }])),
        reasonFrom(inventory.items.deleteItem({ requestId: requestId(), sku })),
      ]);
      expect([
        ['ITEM_NOT_FOUND', undefined],
        [undefined, 'ITEM_RESERVED'],
      ]).toContainEqual(outcomes);
    }
  });

  test('trap 5: deadlock: are booked beside the first delivery to the same place, and nobody gets one', async () => {
    for (let round = 0; round < 6; round += 1) {
      const sku = await stocked(inventory, { lyon: 1 }, backordered(50n));
      const outcomes = await Promise.all([
        ...Array.from({ length: 6 }, () => reasonFrom(reserve(inventory, [{ sku, quantity: 2n }]))),
        ...Array.from({ length: 3 }, () => reasonFrom(addStock(inventory, sku, 'austin', 1))),
      ]);
      expect(new Set(outcomes)).toEqual(new Set([undefined]));
    }
    const { rows } = await inventory.pool.query<{ deadlocks: bigint }>(
      'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
    );
    expect(rows[0]?.deadlocks).toBe(0n);
  });

  const moved = {
    'is closed': {
      move: (locationId: string) => changeFirst({ deactivated: true }, locationId),
      back: (locationId: string) => changeFirst({ deactivated: false }, locationId),
    },
    'is asked second from now on': {
      move: () => addLocation(inventory, { locationId: 'aachen', pickPriority: 0 }),
      back: () => inventory.locations.deleteLocation({ requestId: requestId(), locationId: 'aachen' }),
    },
  };
  const changeFirst = (change: { deactivated: boolean }, locationId: string) =>
    inventory.locations.updateLocation({
      requestId: requestId(),
      location: { locationId, ...change },
      updateMask: { paths: ['deactivated'] },
    });

  test.each(Object.entries(moved))(
    'are promised where there is a level, though that place %s while its lock is waited for',
    async (_, { move, back }) => {
      const sku = await stocked(inventory, {}, backordered(5n));
      await inventory.stock.setStock({ requestId: requestId(), sku, locationId: 'austin', safety: 1n });
      const client = await inventory.pool.connect();
      await client.query('BEGIN');
      await client.query('SELECT FROM stock WHERE sku = $1 FOR UPDATE', [sku]);
      const reserving = reserve(inventory, [{ sku, quantity: 2n }]);
      await waitedFor();
      const moving = move('austin');
      // It waits for the promise, or is done before it: either way the promise is where it can be kept.
      await Promise.race([moving, new Promise((resolve) => setTimeout(resolve, 200))]);
      await client.query('COMMIT');
      client.release();
      const { reservationId, allocations } = await reserving;
      await moving;
      expect(brief(allocations)).toEqual([`${sku}@austin:2 owed 2`]);
      expect(await levelAt(inventory, sku, 'austin')).toMatchObject({ reserved: 2n, backordered: 2n });
      await inventory.reservations.releaseReservation(act(reservationId));
      expect(await levelAt(inventory, sku, 'austin')).toMatchObject({ reserved: 0n, backordered: 0n });
      await back('austin');
    },
  );

  test('are served in the order in which they were promised, also those of one batch', async () => {
    const sku = await stocked(inventory, {}, backordered(50n));
    const made = await Promise.all(Array.from({ length: 12 }, () => reserve(inventory, [{ sku, quantity: 1n }])));
    // A batch serves its callers in the order of their arrival, which is the order of their ids.
    const ids = made.map(({ reservationId }) => reservationId).sort();
    await addStock(inventory, sku, 'austin', 5);
    for (const [index, reservationId] of ids.entries()) {
      const { reservation } = await inventory.reservations.getReservation({ reservationId });
      expect(reservation?.allocations[0]?.backorderedQuantity).toBe(index < 5 ? 0n : 1n);
    }
  });
});

describe('lots', () => {
  test('are sold again at once when their hold has run out, and not when they have expired meanwhile', async () => {
    const sku = await stocked(inventory, {}, { lotTracked: true });
    await received(sku, 'A', 5n, Date.now() + 86_400_000);
    const held = await reserve(inventory, [{ sku, quantity: 5n }]);
    await runOut(held.reservationId);
    const plan = async () =>
      (await inventory.reservations.planSourcing({ lines: [{ sku, quantity: 5n }] })).allocations;
    expect(brief(await plan())).toEqual([`${sku}@berlin/A:5`]);
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 5 });
    await inventory.pool.query('UPDATE lots SET expire_time = now() WHERE sku = $1', [sku]);
    expect(await plan()).toEqual([]);
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 0 });
    expect(await levelAt(inventory, sku, 'berlin')).toMatchObject({ expired: 5n, reserved: 0n, available: 0n });
  });

  test('are named though their kit is recomposed while its buyer waits', async () => {
    const tracked = await stocked(inventory, {}, { lotTracked: true });
    await received(tracked, 'A', 5n, Date.now() + 86_400_000);
    const plain = await stocked(inventory, { berlin: 5 });
    const kit = await stocked(inventory, {}, { components: [{ sku: tracked, quantity: 1n }] });
    const holder = await inventory.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM stock WHERE sku = $1 FOR UPDATE', [tracked]);
      const buying = reserve(inventory, [{ sku: kit, quantity: 1n }]);
      await waitedFor();
      await inventory.items.updateItem({
        requestId: requestId(),
        item: { sku: kit, components: [{ sku: plain, quantity: 1n }] },
        updateMask: { paths: ['components'] },
      });
      await holder.query('COMMIT');
      expect(brief((await buying).allocations)).toEqual([`${tracked}@berlin/A:1`]);
    } finally {
      holder.release();
    }
  });
});

test('trap 7: a right repetition gets its answer though a wrong one comes in the same batch', async () => {
  const sku = await stocked(inventory, { berlin: 9 });
  const request = { requestId: requestId(), lines: [{ sku, quantity: 1n }], ttl: { seconds: 600n } };
  const bytes = async () =>
    Buffer.from(
      toBinary(CreateReservationResponseSchema, await inventory.reservations.createReservation(request)),
    ).toString('hex');
  const first = await bytes();
  const wrong = { ...request, lines: [{ sku, quantity: 2n }] };
  const outcomes = await Promise.all([
    reasonFrom(inventory.reservations.createReservation(wrong)),
    bytes(),
    reasonFrom(inventory.reservations.createReservation(wrong)),
    bytes(),
  ]);
  expect(outcomes).toEqual(['REQUEST_ID_REUSED', first, 'REQUEST_ID_REUSED', first]);
});

test('an extension gives more time and never less', async () => {
  const sku = await stocked(inventory, { berlin: 1 });
  const held = await reserve(inventory, [{ sku, quantity: 1n }]);
  const extend = async (seconds: bigint) =>
    (await inventory.reservations.extendReservation({ ...act(held.reservationId), ttl: { seconds } })).reservation;
  expect((await extend(1n))?.expireTime).toEqual(held.expireTime);
  const later = (await extend(1_200n))?.expireTime?.seconds ?? 0n;
  expect(later - (held.expireTime?.seconds ?? 0n)).toBeGreaterThanOrEqual(600n);
});

test('no release is missed between two looks, however close to one of them', async () => {
  const count = 400;
  const { rows } = await inventory.pool.query<{ first: Date }>(
    `INSERT INTO items (sku, name, description, category, gtin, weight_grams, length_mm, width_mm, height_mm, tax_category,
       customs_code, origin_country_code, out_of_stock_policy, backorder_limit, release_time)
     SELECT 'OUT-' || n, 'x', '', '', '', 1, 1, 1, 1, '', '', '', 3, 1, now() + n * interval '1 millisecond'
     FROM generate_series(1, $1) n RETURNING release_time AS first`,
    [count],
  );
  const end = (rows.at(-1)?.first.getTime() ?? 0) + 20;
  const tell = releaseTeller(inventory.pool);
  while (Date.now() < end) await tell();
  await tell();
  const told = await inventory.pool.query("SELECT DISTINCT key FROM changes WHERE key LIKE 'OUT-%'");
  expect(told.rowCount).toBe(count);
});

test('watchers are told when a preordered item comes out, though nobody writes then', async () => {
  const swept = await startWithLocations({ sweepIntervalMs: 50 });
  try {
    const releaseTime = timestampFromMs(Date.now() + 86_400_000);
    await addItem(swept, { sku: 'PRE', outOfStockPolicy: OutOfStockPolicy.PREORDER, backorderLimit: 5n, releaseTime });
    const ended = new AbortController();
    const told: number[] = [];
    const watching = (async () => {
      for await (const { event } of swept.availability.watchAvailability({ skus: ['PRE'] }, { signal: ended.signal })) {
        if (event.case === 'changed') {
          told.push(event.value.backorderQuantity);
        }
      }
    })().catch(() => {});
    await expect.poll(() => told).toEqual([5]);
    // As the clock would, without waiting for a day.
    await swept.pool.query("UPDATE items SET release_time = now() + interval '300 milliseconds' WHERE sku = 'PRE'");
    await expect.poll(() => told.at(-1), { timeout: 10_000 }).toBe(0);
    ended.abort();
    await watching;
  } finally {
    await swept.stop();
  }
});
