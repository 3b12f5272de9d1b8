/**
 * Reads items by their SKUs, deleted ones included. Pricing and shipping do so for every basket.
 */

import type { Item } from '@weft/gen/weft/inventory/v1/item_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { ITEM_COLUMNS, type ItemRow, itemMessage, itemNotFound } from './item.ts';

/** Items by SKU; those that do not exist are left out. */
export async function readItems(db: Sql, skus: readonly string[]): Promise<Map<string, Item>> {
  const { rows } = await db.query<ItemRow>({
    name: 'items_read',
    text: `SELECT ${ITEM_COLUMNS} FROM items WHERE sku = ANY($1::text[])`,
    values: [skus],
  });
  return new Map(rows.map((row) => [row.sku, itemMessage(row)]));
}

/** @throws ITEM_NOT_FOUND */
export async function readItem(db: Sql, sku: string): Promise<Item> {
  const item = (await readItems(db, [sku])).get(sku);
  if (item === undefined) {
    throw itemNotFound(sku);
  }
  return item;
}
