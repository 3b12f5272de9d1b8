/**
 * What a booking refers to must be there and must stay until the transaction ends: items and locations are held with a key-share
 * lock, which keeps DeleteItem and DeleteLocation waiting. Taken before stock rows, as stock/lock.ts orders it.
 */

import type { Sql } from '@weft/runtime/data/pool';

/** What bookings need to know of an item. */
export type HeldItem = { readonly isKit: boolean; readonly lotTracked: boolean };

/** Of these SKUs, those of items that are not deleted. */
export async function holdItems(tx: Sql, skus: readonly string[]): Promise<ReadonlyMap<string, HeldItem>> {
  return await hold(tx, 'items_hold', skus, 'AND delete_time IS NULL');
}

/** Of these SKUs, those of items, deleted ones included: for who books what lies there, whether it is sold or not. */
export async function holdItemsEvenDeleted(tx: Sql, skus: readonly string[]): Promise<ReadonlyMap<string, HeldItem>> {
  return await hold(tx, 'items_hold_even_deleted', skus, '');
}

async function hold(tx: Sql, name: string, skus: readonly string[], and: string): Promise<Map<string, HeldItem>> {
  const { rows } = await tx.query<{ sku: string; is_kit: boolean; lot_tracked: boolean }>({
    name,
    text: `
      SELECT sku, lot_tracked, is_kit FROM items
      WHERE sku = ANY($1::text[]) ${and} ORDER BY sku FOR KEY SHARE`,
    values: [skus],
  });
  return new Map(rows.map((row) => [row.sku, { isKit: row.is_kit, lotTracked: row.lot_tracked }]));
}

/** What bookings need to know of a location. */
export type HeldLocation = { readonly deactivated: boolean };

/** Of these ids, those of locations that exist. */
export async function holdLocations(
  tx: Sql,
  locationIds: readonly string[],
): Promise<ReadonlyMap<string, HeldLocation>> {
  const { rows } = await tx.query<{ location_id: string; deactivated: boolean }>({
    name: 'locations_hold',
    text: `
      SELECT location_id, deactivated FROM locations
      WHERE location_id = ANY($1::text[]) ORDER BY location_id FOR KEY SHARE`,
    values: [locationIds],
  });
  return new Map(rows.map((row) => [row.location_id, { deactivated: row.deactivated }]));
}

/** Holds all locations, and as they are: what would change one waits too. Gives their ids. */
export async function freezeLocations(tx: Sql): Promise<ReadonlySet<string>> {
  const { rows } = await tx.query<{ location_id: string }>({
    name: 'locations_freeze',
    text: 'SELECT location_id FROM locations ORDER BY location_id FOR SHARE',
  });
  return new Set(rows.map((row) => row.location_id));
}

/** Makes the rows that are missing, in lock order, with nothing on hand. */
export async function ensureStock(
  tx: Sql,
  keys: readonly { readonly sku: string; readonly locationId: string }[],
): Promise<void> {
  await tx.query({
    name: 'stock_ensure',
    text: `
      INSERT INTO stock (sku, location_id)
      SELECT sku, location_id FROM unnest($1::text[], $2::text[]) AS k(sku, location_id)
      ORDER BY sku COLLATE "C", location_id COLLATE "C"
      ON CONFLICT DO NOTHING`,
    values: [keys.map(({ sku }) => sku), keys.map(({ locationId }) => locationId)],
  });
}
