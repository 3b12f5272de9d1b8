/**
 * What a quote needs of its items: from pricing's copy, and from inventory itself what the copy does not have.
 */

import type { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import type { policies } from '@weft/gen/weft/policy.ts';
import type { CallerClient } from '@weft/runtime/client/caller-client';
import type { Sql } from '@weft/runtime/data/pool';

/** Inventory, as far as pricing calls it. */
export type Inventory = CallerClient<typeof ItemService, typeof policies, 'pricing'>;

/** What pricing knows of an item. */
export type QuotedItem = { readonly sku: string; readonly name: string; readonly taxCategory: string };

/**
 * The items by SKU; those that do not exist or are deleted are left out.
 *
 * @throws UNREACHABLE and what else inventory answers, when the copy lacks an item.
 */
export async function findItems(
  sql: Sql,
  inventory: Inventory,
  skus: readonly string[],
): Promise<ReadonlyMap<string, QuotedItem>> {
  const { rows: copied } = await sql.query<QuotedItem>({
    name: 'items_find',
    text: 'SELECT sku, name, tax_category AS "taxCategory" FROM items WHERE sku = ANY ($1::text[])',
    values: [skus],
  });
  const found = new Map(copied.map((item) => [item.sku, item]));
  const missing = skus.filter((sku) => !found.has(sku));
  if (missing.length > 0) {
    const { items } = await inventory.batchGetItems({ skus: missing, allowMissing: true });
    for (const { sku, name, taxCategory } of items.filter(({ deleteTime }) => deleteTime === undefined)) {
      found.set(sku, { sku, name, taxCategory });
    }
  }
  return found;
}
