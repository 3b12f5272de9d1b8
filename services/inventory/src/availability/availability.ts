/**
 * What can be sold, as anyone may see it.
 */

import { create } from '@bufbuild/protobuf';
import { type Availability, AvailabilitySchema } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { type Market, servingLocations } from '../reservations/supply.ts';

/** More than this is not told, so that a competitor cannot read the warehouse. */
const MOST_TOLD = 100n;

/** Units of an item that can be sold to a country, over all locations that ship there; to any country when it is empty. */
export function availabilityOf({ sold, places, units }: Market, sku: string, countryCode: string): Availability {
  const known = sold.has(sku);
  const levels = units.get(sku);
  let sellable = 0n;
  for (const locationId of known ? servingLocations(places, countryCode) : []) {
    const there = levels?.get(locationId) ?? 0n;
    sellable += there > 0n ? there : 0n;
  }
  return create(AvailabilitySchema, {
    sku,
    known,
    sellableQuantity: Number(sellable < MOST_TOLD ? sellable : MOST_TOLD),
  });
}
