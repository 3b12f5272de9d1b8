/**
 * Units that are promised beyond what is in stock. What holds of any reservation is in reservations.test.ts.
 */

import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { metadataOf } from '@weft/runtime/errors/fail';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addStock, levelAt, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';
import {
  act,
  availabilityOf,
  brief,
  confirmed,
  type ItemFields,
  read,
  reserve,
  startWithLocations,
  stocked,
} from './reserving.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startWithLocations();
});
afterEach(() => checkInvariants(inventory.pool));
afterAll(() => inventory.stop());

describe('backorders', () => {
  const backordered = (limit: bigint): ItemFields => ({
    outOfStockPolicy: OutOfStockPolicy.BACKORDER,
    backorderLimit: limit,
  });

  test('go beyond the stock up to their limit, over all locations', async () => {
    const sku = await stocked(inventory, { austin: 1, berlin: 1 }, backordered(3n));
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 2, backorderQuantity: 3 });
    expect(brief((await reserve(inventory, [{ sku, quantity: 4n }])).allocations)).toEqual([
      `${sku}@austin:3 owed 2`,
      `${sku}@berlin:1`,
    ]);
    expect(await levelAt(inventory, sku, 'austin')).toMatchObject({
      onHand: 1n,
      reserved: 3n,
      backordered: 2n,
      available: -2n,
    });
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 0, backorderQuantity: 1 });
    expect(metadataOf(await failure(reserve(inventory, [{ sku, quantity: 2n }])))).toMatchObject({
      requested: '2',
      available: '1',
    });
    expect(brief((await reserve(inventory, [{ sku, quantity: 1n, locationId: 'lyon' }])).allocations)).toEqual([
      `${sku}@lyon:1 owed 1`,
    ]);
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 0, backorderQuantity: 0 });
  });

  test('never exceed their limit: 20 callers for 5 units', async () => {
    const sku = await stocked(inventory, { austin: 2 }, backordered(3n));
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => reasonFrom(reserve(inventory, [{ sku, quantity: 1n }]))),
    );
    expect(outcomes.filter((reason) => reason === undefined)).toHaveLength(5);
    expect(await levelAt(inventory, sku, 'austin')).toMatchObject({ reserved: 5n, backordered: 3n });
  });

  test('are served as goods come in, first come first, and cannot leave before', async () => {
    const sku = await stocked(inventory, { austin: 1 }, backordered(100n));
    const first = await confirmed(inventory, [{ sku, quantity: 3n }]);
    const second = await confirmed(inventory, [{ sku, quantity: 2n }]);
    expect(await reasonFrom(inventory.reservations.commitReservation(act(second)))).toBe('BACKORDER_PENDING');
    const inStock = [{ sku, locationId: 'austin', quantity: 1n }];
    await inventory.reservations.commitReservation({ ...act(first), lines: inStock });
    expect(await reasonFrom(inventory.reservations.commitReservation({ ...act(first), lines: inStock }))).toBe(
      'BACKORDER_PENDING',
    );
    await addStock(inventory, sku, 'austin', 3);
    expect((await read(inventory, first)).allocations).toEqual([`${sku}@austin:3 gone 1`]);
    expect((await read(inventory, second)).allocations).toEqual([`${sku}@austin:2 owed 1`]);
    await inventory.reservations.commitReservation(act(first));
    // What comes free otherwise serves them as well as what comes in.
    await addStock(inventory, sku, 'austin', 1);
    await inventory.reservations.commitReservation(act(second));
    expect(await levelAt(inventory, sku, 'austin')).toMatchObject({ onHand: 0n, reserved: 0n, backordered: 0n });
  });

  test('are served from what another gives back, and from nothing when they are given up themselves', async () => {
    const sku = await stocked(inventory, { austin: 2 }, backordered(100n));
    const holder = await reserve(inventory, [{ sku, quantity: 2n }]);
    const waiting = await reserve(inventory, [{ sku, quantity: 1n }]);
    const impatient = await reserve(inventory, [{ sku, quantity: 5n }]);
    await inventory.reservations.releaseReservation(act(impatient.reservationId));
    expect(await levelAt(inventory, sku, 'austin')).toMatchObject({ reserved: 3n, backordered: 1n });
    await inventory.reservations.releaseReservation(act(holder.reservationId));
    expect((await read(inventory, waiting.reservationId)).allocations).toEqual([`${sku}@austin:1`]);
    expect(await levelAt(inventory, sku, 'austin')).toMatchObject({ reserved: 1n, backordered: 0n, available: 1n });
  });

  test('are not served from safety stock, and nothing that is promised can be booked away', async () => {
    const sku = await stocked(inventory, { austin: 5 }, backordered(100n));
    await inventory.stock.setStock({ requestId: requestId(), sku, locationId: 'austin', safety: 2n });
    const held = await reserve(inventory, [{ sku, quantity: 4n }]);
    expect(brief(held.allocations)).toEqual([`${sku}@austin:4 owed 1`]);
    expect(await reasonFrom(addStock(inventory, sku, 'austin', -3))).toBe('INSUFFICIENT_STOCK');
    await addStock(inventory, sku, 'austin', -2);
    await addStock(inventory, sku, 'austin', 2);
    expect((await read(inventory, held.reservationId)).allocations).toEqual([`${sku}@austin:4 owed 1`]);
    await addStock(inventory, sku, 'austin', 1);
    expect((await read(inventory, held.reservationId)).allocations).toEqual([`${sku}@austin:4`]);
  });

  test('of an item that nobody ever booked have a level of their own', async () => {
    const sku = await stocked(inventory, {}, backordered(9n));
    expect(brief((await reserve(inventory, [{ sku, quantity: 2n }])).allocations)).toEqual([`${sku}@austin:2 owed 2`]);
    expect(await levelAt(inventory, sku, 'austin')).toMatchObject({
      onHand: 0n,
      reserved: 2n,
      backordered: 2n,
      available: -2n,
    });
  });
});

describe('preorders', () => {
  test('are promised until the item is out, leave afterwards, and are not promised any more then', async () => {
    const sku = await stocked(
      inventory,
      { austin: 1 },
      {
        outOfStockPolicy: OutOfStockPolicy.PREORDER,
        backorderLimit: 5n,
        releaseTime: timestampFromMs(Date.now() + 86_400_000),
      },
    );
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 1, backorderQuantity: 5 });
    expect((await availabilityOf(inventory, sku))?.releaseTime).toBeDefined();
    const early = await confirmed(inventory, [{ sku, quantity: 1n }]);
    const later = await confirmed(inventory, [{ sku, quantity: 2n }]);
    expect(await reasonFrom(inventory.reservations.commitReservation(act(early)))).toBe('ITEM_NOT_RELEASED');
    await addStock(inventory, sku, 'austin', 2);
    // As the clock would, without waiting for it.
    await inventory.pool.query('UPDATE items SET release_time = now() WHERE sku = $1', [sku]);
    await inventory.reservations.commitReservation(act(early));
    await inventory.reservations.commitReservation(act(later));
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 0, backorderQuantity: 0 });
    expect((await availabilityOf(inventory, sku))?.releaseTime).toBeUndefined();
    expect(await reasonFrom(reserve(inventory, [{ sku, quantity: 1n }]))).toBe('INSUFFICIENT_STOCK');
  });
});
