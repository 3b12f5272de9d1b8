/**
 * Reservations of items that are kept by lot. What holds of any reservation is in reservations.test.ts.
 */

import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { levelAt, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';
import { act, availabilityOf, brief, confirmed, reserve, startWithLocations, stocked } from './reserving.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startWithLocations();
});
afterEach(() => checkInvariants(inventory.pool));
afterAll(() => inventory.stop());

describe('lots', () => {
  const inDays = (days: number) => timestampFromMs(Date.now() + days * 86_400_000);

  async function withLots(lots: Record<string, { units: bigint; days: number }>): Promise<string> {
    const sku = await stocked(inventory, {}, { lotTracked: true });
    for (const [lotId, { units, days }] of Object.entries(lots)) {
      await inventory.stock.adjustStock({
        requestId: requestId(),
        sku,
        locationId: 'berlin',
        delta: units,
        reason: StockReason.RECEIVED,
        lotId,
        lotExpireTime: inDays(days),
      });
    }
    return sku;
  }

  /** Makes a lot expire now: as the clock would, without waiting for it. */
  const expire = async (sku: string, lotId: string) =>
    await inventory.pool.query('UPDATE lots SET expire_time = now() WHERE sku = $1 AND lot_id = $2', [sku, lotId]);

  test('that expire first are taken first', async () => {
    const sku = await withLots({
      LATE: { units: 5n, days: 90 },
      SOON: { units: 2n, days: 9 },
      NEXT: { units: 2n, days: 30 },
    });
    expect(brief((await reserve(inventory, [{ sku, quantity: 5n }])).allocations)).toEqual([
      `${sku}@berlin/LATE:1`,
      `${sku}@berlin/NEXT:2`,
      `${sku}@berlin/SOON:2`,
    ]);
    expect(brief((await reserve(inventory, [{ sku, quantity: 4n }])).allocations)).toEqual([`${sku}@berlin/LATE:4`]);
    expect(await reasonFrom(reserve(inventory, [{ sku, quantity: 1n }]))).toBe('INSUFFICIENT_STOCK');
  });

  test('that have expired are sold to nobody, from that very moment', async () => {
    const sku = await withLots({ OLD: { units: 3n, days: 1 }, NEW: { units: 2n, days: 30 } });
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 5 });
    await expire(sku, 'OLD');
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 2 });
    expect(await levelAt(inventory, sku, 'berlin')).toMatchObject({
      onHand: 5n,
      unavailable: 3n,
      expired: 3n,
      available: 2n,
    });
    expect(brief((await reserve(inventory, [{ sku, quantity: 2n }])).allocations)).toEqual([`${sku}@berlin/NEW:2`]);
    expect(await reasonFrom(reserve(inventory, [{ sku, quantity: 1n }]))).toBe('INSUFFICIENT_STOCK');
  });

  test('that expired while they were reserved do not leave, and are given back as expired', async () => {
    const sku = await withLots({ OLD: { units: 1n, days: 1 }, NEW: { units: 1n, days: 30 } });
    const reservationId = await confirmed(inventory, [{ sku, quantity: 2n }]);
    await expire(sku, 'OLD');
    expect(await reasonFrom(inventory.reservations.commitReservation(act(reservationId)))).toBe('LOT_EXPIRED');
    const fresh = [{ sku, locationId: 'berlin', lotId: 'NEW', quantity: 1n }];
    await inventory.reservations.commitReservation({ ...act(reservationId), lines: fresh });
    await inventory.reservations.releaseReservation(act(reservationId));
    expect(await levelAt(inventory, sku, 'berlin')).toMatchObject({
      onHand: 1n,
      reserved: 0n,
      expired: 1n,
      available: 0n,
    });
  });

  test('are not sold twice: 20 callers for 6 units of three lots, in kits and by themselves', async () => {
    const sku = await withLots({ A: { units: 1n, days: 5 }, B: { units: 2n, days: 6 }, C: { units: 3n, days: 7 } });
    const pair = await stocked(inventory, {}, { components: [{ sku: sku, quantity: 2n }] });
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        reasonFrom(reserve(inventory, [{ sku: index % 2 === 0 ? sku : pair, quantity: 1n }])),
      ),
    );
    const taken = outcomes.reduce<number>(
      (sum, reason, index) => sum + (reason === undefined ? 1 + (index % 2) : 0),
      0,
    );
    expect(taken).toBe(6);
  });

  test('in quality control wait until they are out of it', async () => {
    const sku = await withLots({ A: { units: 2n, days: 5 } });
    const move = (fromState: StockState, toState: StockState) =>
      inventory.stock.moveStock({
        requestId: requestId(),
        sku,
        locationId: 'berlin',
        lotId: 'A',
        fromState,
        toState,
        quantity: 2n,
      });
    await move(StockState.AVAILABLE, StockState.QUALITY_CONTROL);
    expect(await reasonFrom(reserve(inventory, [{ sku, quantity: 1n }]))).toBe('INSUFFICIENT_STOCK');
    await move(StockState.QUALITY_CONTROL, StockState.AVAILABLE);
    await reserve(inventory, [{ sku, quantity: 2n }]);
  });
});
