/**
 * What is to be packed: lines added up by SKU, and the measures of their items as inventory knows them.
 */

import type { Item } from '@weft/gen/weft/inventory/v1/item_pb.js';
import type { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import type { PackingLine } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import type { Callee } from '../callee.ts';
import { sidesOf } from './box.ts';
import type { PackItem } from './pack.ts';

/** Units by SKU, sorted by SKU. */
export type Demand = ReadonlyMap<string, bigint>;

/** Adds lines of one SKU up (medusa#16502). */
export function addUp(lines: readonly Pick<PackingLine, 'sku' | 'quantity'>[]): Demand {
  const units = new Map<string, bigint>();
  for (const { sku, quantity } of lines) {
    units.set(sku, (units.get(sku) ?? 0n) + quantity);
  }
  return new Map([...units].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The items of some SKUs, by SKU.
 *
 * @throws ITEM_NOT_FOUND when one has no item, or its item is deleted.
 */
export async function fetchItems(
  items: Callee<typeof ItemService>,
  skus: readonly string[],
): Promise<ReadonlyMap<string, Item>> {
  const response = await items.batchGetItems({ skus: [...skus] });
  const bySku = new Map(response.items.filter(isSold).map((item) => [item.sku, item]));
  for (const sku of skus) {
    itemOf(bySku, sku);
  }
  return bySku;
}

/** SKUs that inventory takes at once. */
const BATCH_MAX = 200;

/**
 * The items that were fetched already, and those of the other SKUs.
 *
 * @throws ITEM_NOT_FOUND when one has no item, or its item is deleted.
 */
export async function fetchOthers(
  items: Callee<typeof ItemService>,
  fetched: ReadonlyMap<string, Item>,
  skus: readonly string[],
): Promise<ReadonlyMap<string, Item>> {
  const others = [...new Set(skus)].filter((sku) => !fetched.has(sku));
  const bySku = new Map(fetched);
  for (let start = 0; start < others.length; start += BATCH_MAX) {
    for (const [sku, item] of await fetchItems(items, others.slice(start, start + BATCH_MAX))) {
      bySku.set(sku, item);
    }
  }
  return bySku;
}

function isSold(item: Item): boolean {
  return item.deleteTime === undefined;
}

/** The item of a SKU that `fetchItems` was asked for. */
export function itemOf(items: ReadonlyMap<string, Item>, sku: string): Item {
  const item = items.get(sku);
  if (item === undefined) {
    throw fail('ITEM_NOT_FOUND', `There is no item ${sku}, or it is deleted.`, { sku });
  }
  return item;
}

/** Units of an item as the packer takes them. */
export function packItemOf(item: Item, quantity: bigint): PackItem {
  return {
    sku: item.sku,
    quantity: Number(quantity),
    // Inventory guards that an item has dimensions; without them it is as large as the contract allows.
    sides: sidesOf(item.dimensions ?? { lengthMm: 10_000, widthMm: 10_000, heightMm: 10_000 }),
    weightGrams: item.weightGrams,
  };
}
