/**
 * For tests of reservations: three locations, items of any kind, and reservations in few words.
 */

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ItemSchema } from '@weft/gen/weft/inventory/v1/item_pb.js';
import type { Allocation, Reservation } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, NEVER_MS, startInventory, type TestInventory } from './harness.ts';

/** Fields of an item, as for `create`. */
export type ItemFields = Omit<Extract<MessageInitShape<typeof ItemSchema>, { $typeName?: never }>, 'sku'>;

/** Units of an item that are wanted. */
export type Line = { readonly sku: string; readonly quantity: bigint; readonly locationId?: string };

/** Inventory, without a sweep unless an interval is given, with `austin` (US), `berlin` (DE) and `lyon` (FR; ships to FR, DE and ES), asked in this order. */
export async function startWithLocations({ sweepIntervalMs = NEVER_MS } = {}): Promise<TestInventory> {
  const inventory = await startInventory({ sweepIntervalMs });
  for (const [index, [locationId, countryCode, servedCountryCodes]] of PLACES.entries()) {
    await addLocation(inventory, {
      locationId,
      pickPriority: index + 1,
      servedCountryCodes: [...servedCountryCodes],
      address: { lines: ['1 Main Street'], city: 'City', postalCode: '10115', countryCode },
    });
  }
  return inventory;
}

const PLACES = [
  ['austin', 'US', []],
  ['berlin', 'DE', []],
  ['lyon', 'FR', ['FR', 'DE', 'ES']],
] as const;

let made = 0;

/** A new item with this many units at each location. */
export async function stocked(
  inventory: TestInventory,
  units: Record<string, number>,
  fields: ItemFields = {},
): Promise<string> {
  made += 1;
  const sku = `F-${made}`;
  await addItem(inventory, { sku, ...fields });
  for (const [locationId, count] of Object.entries(units)) {
    await addStock(inventory, sku, locationId, count);
  }
  return sku;
}

/** Reserves for ten minutes; `options` are further fields of the request. */
export async function reserve(
  { reservations }: TestInventory,
  lines: Line[],
  options: object = {},
): Promise<Reservation> {
  const request = { requestId: requestId(), lines, ttl: { seconds: 600n }, ...options };
  const { reservation } = await reservations.createReservation(request);
  if (reservation === undefined) {
    throw new Error('a response without a reservation');
  }
  return reservation;
}

/** Reserves and confirms; gives the reservation's id. */
export async function confirmed(inventory: TestInventory, lines: Line[], options: object = {}): Promise<string> {
  const { reservationId } = await reserve(inventory, lines, options);
  await inventory.reservations.confirmReservation(act(reservationId));
  return reservationId;
}

/** A request that does something to a reservation. */
export function act(reservationId: string) {
  return { requestId: requestId(), reservationId };
}

/** Allocations in few letters: `MUG@berlin:2`, with what is of a lot, owed or gone. */
export function brief(allocations: readonly Allocation[]): string[] {
  return allocations.map(
    ({ sku, locationId, lotId, quantity, backorderedQuantity: owed, committedQuantity: gone }) =>
      `${sku}@${locationId}${lotId && `/${lotId}`}:${quantity}${owed > 0n ? ` owed ${owed}` : ''}${gone > 0n ? ` gone ${gone}` : ''}`,
  );
}

/** A reservation's state and allocations, as they are now. */
export async function read({ reservations }: TestInventory, reservationId: string) {
  const { reservation } = await reservations.getReservation({ reservationId });
  return { state: reservation?.state, allocations: brief(reservation?.allocations ?? []) };
}

/** What anyone may see of an item. */
export async function availabilityOf({ availability }: TestInventory, sku: string, destinationCountryCode = '') {
  const { availabilities } = await availability.batchGetAvailability({ skus: [sku], destinationCountryCode });
  return availabilities[0];
}
