/**
 * What a quote needs of its items: from pricing's copy, and from inventory itself for what the copy does not have yet.
 */

import type { Client } from '@connectrpc/connect';
import type { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { query } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';

/** What pricing knows of an item. */
export type QuotedItem = { readonly sku: string; readonly name: string; readonly taxCategory: string };

type Row = QuotedItem & { readonly deleted: boolean };

/**
 * The items by SKU; those that do not exist or are deleted are absent.
 *
 * @throws what inventory answers when the copy lacks an item and inventory cannot be asked.
 */
export async function lookUpItems(
  pool: Pool,
  items: Client<typeof ItemService>,
  skus: readonly string[],
): Promise<ReadonlyMap<string, QuotedItem>> {
  const copied = await query<Row>(pool, {
    name: 'items_by_sku',
    text: 'SELECT sku, name, tax_category AS "taxCategory", deleted FROM items WHERE sku = ANY ($1)',
    values: [skus],
  });
  const known = new Set(copied.map(({ sku }) => sku));
  const missing = skus.filter((sku) => !known.has(sku));
  const asked = missing.length === 0 ? [] : (await items.batchGetItems({ skus: missing, allowMissing: true })).items;
  const found = [...copied.filter(({ deleted }) => !deleted), ...asked.filter((item) => item.deleteTime === undefined)];
  return new Map(found.map(({ sku, name, taxCategory }) => [sku, { sku, name, taxCategory }]));
}
