/** Where the goods of a checkout come from: what each location packs, and in which country it is. */

import type { Item } from '@weft/gen/weft/inventory/v1/item_pb.js';
import type { Allocation } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { itemOf, packItemOf } from '../packing/goods.ts';
import type { PackItem } from '../packing/pack.ts';
import type { Batch } from '../packing/plan.ts';

/** What each location packs, sorted by location. */
export function batchesOf(allocations: readonly Allocation[], items: ReadonlyMap<string, Item>): Batch[] {
  const byLocation = new Map<string, PackItem[]>();
  for (const { sku, locationId, quantity } of allocations) {
    const packItems = byLocation.get(locationId) ?? [];
    byLocation.set(locationId, packItems);
    packItems.push(packItemOf(itemOf(items, sku), quantity));
  }
  return [...byLocation]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([originLocationId, packItems]) => ({ originLocationId, items: packItems }));
}

/** Country of each location. */
export function originCountries(allocations: readonly Allocation[]): ReadonlyMap<string, string> {
  return new Map(allocations.map(({ locationId, originCountryCode }) => [locationId, originCountryCode]));
}
