/**
 * Where what is reserved comes from: kits, and the choice of locations. What holds of any reservation is in reservations.test.ts.
 */

import {
  ReservationPolicy,
  SourcingStrategy,
  SourcingVerdict,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { metadataOf } from '@weft/runtime/errors/fail';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addLocation, addStock, levelAt, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';
import { act, availabilityOf, brief, confirmed, reserve, startWithLocations, stocked } from './reserving.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startWithLocations();
});
afterEach(() => checkInvariants(inventory.pool));
afterAll(() => inventory.stop());

describe('kits', () => {
  test('are set aside as their components, and as many as the scarcest allows', async () => {
    const [cup, saucer] = [
      await stocked(inventory, { berlin: 3, austin: 4 }),
      await stocked(inventory, { austin: 20 }),
    ];
    const set = await stocked(
      inventory,
      {},
      {
        components: [
          { sku: cup, quantity: 2n },
          { sku: saucer, quantity: 3n },
        ],
      },
    );
    expect(await availabilityOf(inventory, set)).toMatchObject({
      known: true,
      sellableQuantity: 3,
      backorderQuantity: 0,
    });
    const reservation = await reserve(inventory, [{ sku: set, quantity: 2n }]);
    expect(brief(reservation.allocations)).toEqual([`${cup}@austin:4`, `${saucer}@austin:6`]);
    expect(await availabilityOf(inventory, set)).toMatchObject({ sellableQuantity: 1 });
    const error = await failure(reserve(inventory, [{ sku: set, quantity: 2n }]));
    expect(metadataOf(error)).toMatchObject({ sku: set, requested: '2', available: '1' });
    await inventory.reservations.releaseReservation(act(reservation.reservationId));
    expect(await availabilityOf(inventory, set)).toMatchObject({ sellableQuantity: 3 });
  });

  test('of kits come down to what is in stock, what both need added up', async () => {
    const [cup, box] = [await stocked(inventory, { berlin: 10 }), await stocked(inventory, { berlin: 10 })];
    const pair = await stocked(inventory, {}, { components: [{ sku: cup, quantity: 2n }] });
    const gift = await stocked(
      inventory,
      {},
      {
        components: [
          { sku: pair, quantity: 2n },
          { sku: cup, quantity: 1n },
          { sku: box, quantity: 1n },
        ],
      },
    );
    expect(await availabilityOf(inventory, gift)).toMatchObject({ sellableQuantity: 2 });
    expect(brief((await reserve(inventory, [{ sku: gift, quantity: 2n }])).allocations)).toEqual(
      [`${cup}@berlin:10`, `${box}@berlin:2`].sort(),
    );
    expect(await availabilityOf(inventory, pair)).toMatchObject({ sellableQuantity: 0 });
  });

  test('and their components share the same units, also when only a part can be had', async () => {
    const cup = await stocked(inventory, { berlin: 5 });
    const pair = await stocked(inventory, {}, { components: [{ sku: cup, quantity: 2n }] });
    const lines = [
      { sku: cup, quantity: 2n },
      { sku: pair, quantity: 3n },
    ];
    expect(await reasonFrom(reserve(inventory, lines))).toBe('INSUFFICIENT_STOCK');
    const partial = await reserve(inventory, lines, { policy: ReservationPolicy.PARTIAL });
    expect(brief(partial.allocations)).toEqual([`${cup}@berlin:4`]);
    expect(partial.shortages).toMatchObject([{ sku: pair, requestedQuantity: 3n, availableQuantity: 1n }]);
  });

  test('never sell a component twice: 20 callers of kits and components for the same ten units', async () => {
    const cup = await stocked(inventory, { berlin: 6, austin: 4 });
    const pair = await stocked(inventory, {}, { components: [{ sku: cup, quantity: 2n }] });
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        reasonFrom(reserve(inventory, [index % 2 === 0 ? { sku: pair, quantity: 1n } : { sku: cup, quantity: 1n }])),
      ),
    );
    const kits = outcomes.filter((reason, index) => index % 2 === 0 && reason === undefined).length;
    const units = outcomes.filter((reason, index) => index % 2 === 1 && reason === undefined).length;
    expect(2 * kits + units).toBe(10);
    expect(new Set(outcomes)).toEqual(new Set([undefined, 'INSUFFICIENT_STOCK']));
  });
});

describe('the choice of locations', () => {
  const plan = async (sku: string, quantity: bigint, strategy: SourcingStrategy, destinationCountryCode = '') =>
    await inventory.reservations.planSourcing({ lines: [{ sku, quantity }], strategy, destinationCountryCode });

  test('goes by distance: the own country first, then the nearest', async () => {
    const sku = await stocked(inventory, { austin: 5, berlin: 5, lyon: 5 });
    const chosen = async (country: string) =>
      brief((await plan(sku, 6n, SourcingStrategy.NEAREST, country)).allocations);
    expect(await chosen('FR')).toEqual([`${sku}@berlin:1`, `${sku}@lyon:5`]);
    expect(await chosen('ES')).toEqual([`${sku}@berlin:1`, `${sku}@lyon:5`]);
    expect(await chosen('PL')).toEqual([`${sku}@austin:1`, `${sku}@berlin:5`]);
    expect(await chosen('MX')).toEqual([`${sku}@austin:5`, `${sku}@berlin:1`]);
    expect(brief((await plan(sku, 6n, SourcingStrategy.NEAREST)).allocations)).toEqual([
      `${sku}@austin:5`,
      `${sku}@berlin:1`,
    ]);
  });

  test('uses remnants up, where that is asked for', async () => {
    const sku = await stocked(inventory, { austin: 5, berlin: 1, lyon: 3 });
    expect(brief((await plan(sku, 3n, SourcingStrategy.LOWEST_STOCK)).allocations)).toEqual([
      `${sku}@berlin:1`,
      `${sku}@lyon:2`,
    ]);
    const reservation = await reserve(inventory, [{ sku, quantity: 3n }], { strategy: SourcingStrategy.LOWEST_STOCK });
    expect(brief(reservation.allocations)).toEqual([`${sku}@berlin:1`, `${sku}@lyon:2`]);
  });

  test('explains itself: of every location, why it serves or not', async () => {
    const sku = await stocked(inventory, { berlin: 2, lyon: 9 });
    const { locations } = await plan(sku, 2n, SourcingStrategy.NEAREST, 'PL');
    expect(locations).toMatchObject([
      { locationId: 'berlin', verdict: SourcingVerdict.CHOSEN, allocatedQuantity: 2n, availableQuantity: 2n },
      { locationId: 'austin', verdict: SourcingVerdict.NO_STOCK, allocatedQuantity: 0n },
      { locationId: 'lyon', verdict: SourcingVerdict.NOT_SERVING, explanation: 'lyon, in FR, does not ship to PL' },
    ]);
    expect(locations[0]?.distanceKm).toBeGreaterThan(100);
    expect(locations[0]?.explanation).toMatch(
      /^berlin serves 2 of 2 available units \(\d+ km from the destination's country\)$/,
    );
    const unasked = await plan(sku, 2n, SourcingStrategy.PRIORITY);
    expect(unasked.locations.map(({ verdict }) => verdict)).toEqual([
      SourcingVerdict.NO_STOCK,
      SourcingVerdict.CHOSEN,
      SourcingVerdict.NOT_NEEDED,
    ]);
  });

  test('leaves out a location that is out of use, and lets go what is reserved there', async () => {
    await addLocation(inventory, { locationId: 'closing', pickPriority: 0 });
    const sku = await stocked(inventory, { closing: 5, lyon: 1 });
    const held = await confirmed(inventory, [{ sku, quantity: 2n }]);
    const setDeactivated = (deactivated: boolean) =>
      inventory.locations.updateLocation({
        requestId: requestId(),
        location: { locationId: 'closing', deactivated },
        updateMask: { paths: ['deactivated'] },
      });
    await setDeactivated(true);
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 1 });
    expect(brief((await reserve(inventory, [{ sku, quantity: 1n }])).allocations)).toEqual([`${sku}@lyon:1`]);
    expect(await reasonFrom(reserve(inventory, [{ sku, quantity: 1n }]))).toBe('INSUFFICIENT_STOCK');
    expect(await reasonFrom(reserve(inventory, [{ sku, quantity: 1n, locationId: 'closing' }]))).toBe(
      'LOCATION_DEACTIVATED',
    );
    const planned = await plan(sku, 1n, SourcingStrategy.PRIORITY);
    expect(planned.locations.at(-1)).toMatchObject({ locationId: 'closing', verdict: SourcingVerdict.DEACTIVATED });
    expect(await levelAt(inventory, sku, 'closing')).toMatchObject({ onHand: 5n, reserved: 2n });
    await inventory.reservations.commitReservation(act(held));
    await setDeactivated(false);
    expect(await availabilityOf(inventory, sku)).toMatchObject({ sellableQuantity: 3 });
    await addStock(inventory, sku, 'closing', -3);
  });
});
