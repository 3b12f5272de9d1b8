/**
 * Pricing's copy of inventory's items, and how far it has come. What is written moves the place to resume in the same statement.
 */

import type { Item } from '@weft/gen/weft/inventory/v1/item_pb.js';
import type { Sql } from '@weft/runtime/data/pool';

/** Where to resume the stream; empty when the items must be listed. */
export async function resumeTokenOf(sql: Sql): Promise<string> {
  const { rows } = await sql.query<{ resumeToken: string }>('SELECT resume_token AS "resumeToken" FROM item_copy');
  return rows[0]?.resumeToken ?? '';
}

/** Begins a listing: items that it does not show are gone when it ends. What was copied before is good until then. */
export async function beginListing(sql: Sql): Promise<void> {
  await sql.query("UPDATE item_copy SET listing = listing + 1, resume_token = ''");
}

/** Writes items, each once, as the current listing has them. */
export async function copyItems(sql: Sql, items: readonly Item[]): Promise<void> {
  await sql.query({
    name: 'items_copy',
    text: `INSERT INTO items (sku, name, tax_category, listing)
           SELECT item.*, listing FROM unnest($1::text[], $2::text[], $3::text[]) AS item (sku, name, tax_category), item_copy
           ON CONFLICT (sku) DO UPDATE
           SET name = excluded.name, tax_category = excluded.tax_category, listing = excluded.listing`,
    values: [items.map(({ sku }) => sku), items.map(({ name }) => name), items.map(({ taxCategory }) => taxCategory)],
  });
}

/** The item was deleted. */
export async function dropItem(sql: Sql, sku: string): Promise<void> {
  await sql.query({ name: 'items_drop', text: 'DELETE FROM items WHERE sku = $1', values: [sku] });
}

/**
 * Everything up to this token is in the copy. The first token after a listing says that the listing is complete: what it did not
 * show is gone. Later ones have nothing to look for, and do not: the statement reads the token as it was before.
 */
export async function keepPlace(sql: Sql, resumeToken: string): Promise<void> {
  await sql.query({
    name: 'item_copy_place',
    text: `WITH place AS (UPDATE item_copy SET resume_token = $1)
           DELETE FROM items
           WHERE (SELECT resume_token = '' FROM item_copy) AND listing < (SELECT listing FROM item_copy)`,
    values: [resumeToken],
  });
}
