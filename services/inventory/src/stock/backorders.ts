/**
 * Backorders: units that reservations are promised beyond what is on hand. As units become free, those who came first are served
 * first: reservation ids grow with time.
 */

import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { reservationChange } from '../changes.ts';
import { available, type Level, levelKey, levelOf, STOCK_COLUMNS, type StockRow } from './level.ts';

/**
 * Serves backorders from what is free at these levels, whose rows this transaction has locked and changed. Watchers of the reservations
 * that are served are told; those of the levels are told by who changed them.
 *
 * @returns the levels as they are then, in the order given.
 */
export async function fillBackorders(tx: Sql, levels: readonly Level[]): Promise<Level[]> {
  const fillable = levels.filter((level) => level.backordered > 0n && freeForBackorders(level) > 0n);
  if (fillable.length === 0) {
    return [...levels];
  }
  const { rows } = await tx.query<StockRow & { served: string[] }>({
    name: 'backorders_fill',
    text: `
      WITH waiting AS (
        SELECT a.reservation_id, f.sku, f.location_id, a.lot_id, f.free, a.backordered_quantity,
          sum(a.backordered_quantity) OVER (PARTITION BY f.sku, f.location_id ORDER BY a.reservation_id, a.lot_id)
            - a.backordered_quantity AS ahead
        FROM unnest($1::text[], $2::text[], $3::bigint[]) AS f(sku, location_id, free),
          -- Each waits for a unit at least, so no more than there are free can be served. What has ended waits for none.
          LATERAL (
            SELECT reservation_id, lot_id, backordered_quantity FROM allocations
            WHERE sku = f.sku AND location_id = f.location_id AND backordered_quantity > 0
            ORDER BY reservation_id, lot_id LIMIT f.free) a
      ), served AS (
        UPDATE allocations a
        SET backordered_quantity = a.backordered_quantity - least(w.backordered_quantity, w.free - w.ahead)
        FROM waiting w
        WHERE w.ahead < w.free AND a.reservation_id = w.reservation_id AND a.sku = w.sku AND a.location_id = w.location_id
          AND a.lot_id = w.lot_id
        RETURNING a.reservation_id, a.sku, a.location_id, least(w.backordered_quantity, w.free - w.ahead) AS units
      )
      UPDATE stock s SET backordered = s.backordered - t.units, update_time = now()
      FROM (
        SELECT sku, location_id, sum(units)::bigint AS units, array_agg(reservation_id::text) AS served
        FROM served GROUP BY sku, location_id) t
      WHERE s.sku = t.sku AND s.location_id = t.location_id
      RETURNING ${STOCK_COLUMNS}, t.served`,
    values: [
      fillable.map(({ sku }) => sku),
      fillable.map(({ locationId }) => locationId),
      fillable.map(freeForBackorders),
    ],
  });
  await append(tx, [...new Set(rows.flatMap(({ served }) => served))].sort().map(reservationChange));
  const filled = new Map(rows.map(levelOf).map((level) => [levelKey(level), level]));
  return levels.map((level) => filled.get(levelKey(level)) ?? level);
}

/** Units that backorders may have: safety stock is kept back from them as from anybody. */
function freeForBackorders(level: Level): bigint {
  return available(level) + level.backordered;
}
