/**
 * Goods that leave, whole or in parts. What holds of any reservation is in reservations.test.ts.
 */

import { ReservationState } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { metadataOf } from '@weft/runtime/errors/fail';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom } from '../../../dev/src/testing/calls.ts';
import { levelAt, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';
import { act, confirmed, read, startWithLocations, stocked } from './reserving.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startWithLocations();
});
afterEach(() => checkInvariants(inventory.pool));
afterAll(() => inventory.stop());

describe('goods that leave in parts', () => {
  test('leave the rest confirmed, until all are gone', async () => {
    const [a, b] = [await stocked(inventory, { austin: 9 }), await stocked(inventory, { austin: 9 })];
    const reservationId = await confirmed(inventory, [
      { sku: a, quantity: 3n },
      { sku: b, quantity: 2n },
    ]);
    const part = { ...act(reservationId), lines: [{ sku: a, locationId: 'austin', quantity: 2n }] };
    const { reservation } = await inventory.reservations.commitReservation(part);
    expect(reservation?.state).toBe(ReservationState.CONFIRMED);
    expect(await read(inventory, reservationId)).toEqual({
      state: ReservationState.CONFIRMED,
      allocations: [`${a}@austin:3 gone 2`, `${b}@austin:2`],
    });
    // The same request again is the same part, not another.
    await inventory.reservations.commitReservation(part);
    expect(await levelAt(inventory, a, 'austin')).toMatchObject({ onHand: 7n, reserved: 1n });
    await inventory.reservations.commitReservation(act(reservationId));
    expect(await read(inventory, reservationId)).toMatchObject({ state: ReservationState.COMMITTED });
    expect(await levelAt(inventory, a, 'austin')).toMatchObject({ onHand: 6n, reserved: 0n });
    expect(await levelAt(inventory, b, 'austin')).toMatchObject({ onHand: 7n, reserved: 0n });
  });

  test('can be the last: what remains is given back', async () => {
    const sku = await stocked(inventory, { austin: 9 });
    const reservationId = await confirmed(inventory, [{ sku, quantity: 5n }]);
    const lines = [{ sku, locationId: 'austin', quantity: 2n }];
    await inventory.reservations.commitReservation({ ...act(reservationId), lines });
    await inventory.reservations.releaseReservation(act(reservationId));
    expect(await read(inventory, reservationId)).toEqual({
      state: ReservationState.RELEASED,
      allocations: [`${sku}@austin:5 gone 2`],
    });
    expect(await levelAt(inventory, sku, 'austin')).toMatchObject({ onHand: 7n, reserved: 0n, available: 7n });
    expect(await reasonFrom(inventory.reservations.commitReservation({ ...act(reservationId), lines }))).toBe(
      'RESERVATION_STATE',
    );
  });

  test('cannot be more than remain, also when lines or callers add up', async () => {
    const sku = await stocked(inventory, { austin: 9 });
    const reservationId = await confirmed(inventory, [{ sku, quantity: 3n }]);
    const line = (quantity: bigint, locationId = 'austin') => ({ sku, locationId, quantity });
    const commit = (lines: object[]) => inventory.reservations.commitReservation({ ...act(reservationId), lines });
    expect(metadataOf(await failure(commit([line(2n), line(2n)])))).toMatchObject({ requested: '4', remaining: '3' });
    expect(metadataOf(await failure(commit([line(1n, 'berlin')])))).toMatchObject({
      location_id: 'berlin',
      remaining: '0',
    });
    expect(await levelAt(inventory, sku, 'austin')).toMatchObject({ onHand: 9n, reserved: 3n });
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => reasonFrom(commit([line(1n)]))));
    expect(outcomes.filter((reason) => reason === undefined)).toHaveLength(3);
    expect(await levelAt(inventory, sku, 'austin')).toMatchObject({ onHand: 6n, reserved: 0n });
  });
});
