/**
 * Reads stock levels as they are at this instant: through the view stock_now, in which holds that ran out and lots that
 * expired no longer count. They come with their lots.
 */

import type { Sql } from '@weft/runtime/data/pool';
import { type Level, levelOf, STOCK_NOW_COLUMNS, type StockRow } from './level.ts';

/** Levels of these items, by location id within each item, at all locations or at one. */
export async function readLevels(db: Sql, skus: readonly string[], locationId = ''): Promise<Level[]> {
  const { rows } = await db.query<StockRow>({
    name: 'stock_read',
    text: `
      SELECT ${STOCK_NOW_COLUMNS} FROM stock_now s
      WHERE s.sku = ANY($1::text[]) AND ($2 = '' OR s.location_id = $2)
      ORDER BY s.sku, s.location_id`,
    values: [skus, locationId],
  });
  return rows.map(levelOf);
}

/** Where a page of levels begins: after this row. */
export type LevelPosition = { readonly sku: string; readonly locationId: string };

/** Before every level. */
export const FIRST_LEVEL: LevelPosition = { sku: '', locationId: '' };

/** Up to `limit` levels after a position, by SKU, then location id. */
export async function listLevels(db: Sql, locationId: string, after: LevelPosition, limit: number): Promise<Level[]> {
  const { rows } = await db.query<StockRow>(
    locationId === ''
      ? {
          name: 'stock_list',
          text: `
            SELECT ${STOCK_NOW_COLUMNS} FROM stock_now s
            WHERE (s.sku, s.location_id) > ($1, $2) ORDER BY s.sku, s.location_id LIMIT $3`,
          values: [after.sku, after.locationId, limit],
        }
      : {
          name: 'stock_list_at_location',
          text: `
            SELECT ${STOCK_NOW_COLUMNS} FROM stock_now s
            WHERE s.location_id = $1 AND s.sku > $2 ORDER BY s.sku LIMIT $3`,
          values: [locationId, after.sku, limit],
        },
  );
  return rows.map(levelOf);
}

/** The levels with these keys; keys that have none are left out. */
export async function readLevelsAt(db: Sql, keys: readonly LevelPosition[]): Promise<Level[]> {
  const { rows } = await db.query<StockRow>({
    name: 'stock_read_at',
    text: `
      SELECT ${STOCK_NOW_COLUMNS} FROM stock_now s
      WHERE (s.sku, s.location_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))`,
    values: [keys.map(({ sku }) => sku), keys.map(({ locationId }) => locationId)],
  });
  return rows.map(levelOf);
}
