/**
 * What can be sold, as anyone may see it.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Availability, AvailabilitySchema } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { type Market, servingLocations } from '../reservations/supply.ts';
import { sumOver } from '../reservations/units.ts';

/** More than this is not told, so that a competitor cannot read the warehouse. */
const MOST_TOLD = 100n;

/**
 * Units of an item that can be sold to a country, over all locations that ship there; to any country when it is empty. Of a kit, as many as
 * its scarcest component allows.
 */
export function availabilityOf(market: Market, sku: string, countryCode: string): Availability {
  const facts = market.facts.get(sku);
  if (facts === undefined) {
    return create(AvailabilitySchema, { sku, known: false });
  }
  const serving = servingLocations(market.places, countryCode);
  const recipe = facts.components.length === 0 ? [{ sku, quantity: 1n }] : facts.components;
  const inStock = ({ sku: part, quantity }: (typeof recipe)[number]) =>
    sumOver(serving, market.units.get(part)) / quantity;
  const promised = ({ sku: part, quantity }: (typeof recipe)[number]) => {
    const promisable = serving.length === 0 ? 0n : (market.promisable.get(part) ?? 0n);
    return (sumOver(serving, market.units.get(part)) + (promisable > 0n ? promisable : 0n)) / quantity;
  };
  const sellable = least(recipe.map(inStock));
  const releaseTime = latest(recipe.map((part) => market.facts.get(part.sku)?.releaseTime));
  return create(AvailabilitySchema, {
    sku,
    known: true,
    sellableQuantity: told(sellable),
    backorderQuantity: told(least(recipe.map(promised)) - sellable),
    ...(releaseTime === undefined ? {} : { releaseTime: timestampFromDate(releaseTime) }),
  });
}

function told(units: bigint): number {
  return Number(units < MOST_TOLD ? units : MOST_TOLD);
}

function least(units: readonly bigint[]): bigint {
  return units.reduce((a, b) => (b < a ? b : a));
}

function latest(times: readonly (Date | undefined)[]): Date | undefined {
  return times.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a), undefined);
}
