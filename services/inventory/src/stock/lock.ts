/**
 * How every writer takes stock in hand. One global order keeps writers from waiting for one another in circles:
 *
 *     idempotency keys -> imports -> items, locations -> transfers, counts -> stock rows by (sku, location_id) -> lots, reservations
 *
 * A reservation's row is locked only by who holds all of its stock rows, or by who will lock nothing after it.
 */

import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { reservationChange, stockChange } from '../changes.ts';
import { fillBackorders } from './backorders.ts';
import { type Level, levelKey, levelOf, STOCK_COLUMNS, type StockRow } from './level.ts';

/**
 * Locks the rows of these items at all locations, in order, and tidies first: holds on them that have run out become EXPIRED
 * and free their units in this very transaction. So what it returns holds until the transaction ends, and `reserved` is exactly
 * the sum of what is active. Lots are not part of it: `withLots` reads those of items that are kept by lot, once this has returned.
 *
 * The rows of other items are locked along with them when a hold that ran out spans both.
 */
export async function lockStock(tx: Sql, skus: readonly string[]): Promise<Level[]> {
  const { rows } = await tx.query<StockRow & { due: string[] | null }>({
    name: 'stock_lock',
    text: `
      WITH due AS MATERIALIZED (
        SELECT DISTINCT r.reservation_id
        FROM reservations r JOIN allocations a USING (reservation_id)
        WHERE r.state = 1 AND r.expire_time <= now() AND a.sku = ANY($1::text[])
      ), wanted AS MATERIALIZED (
        SELECT unnest($1::text[]) COLLATE "C" AS sku
        UNION
        SELECT a.sku FROM due JOIN allocations a USING (reservation_id)
      )
      SELECT ${STOCK_COLUMNS}, (SELECT array_agg(reservation_id) FROM due) AS due
      FROM stock s
      WHERE s.sku IN (SELECT sku FROM wanted)
      ORDER BY s.sku, s.location_id
      FOR UPDATE OF s`,
    values: [skus],
  });
  const levels = rows.map(levelOf);
  const due = rows[0]?.due ?? [];
  if (due.length === 0) {
    return levels;
  }
  const freed = new Map((await expireDue(tx, due)).map((level) => [levelKey(level), level]));
  return levels.map((level) => freed.get(levelKey(level)) ?? level);
}

/**
 * Makes holds that have run out EXPIRED and gives their units back. Their stock rows must be locked by this transaction. One
 * that was confirmed or extended meanwhile stays as it is: the row's own lock decides the race.
 *
 * @returns the levels that changed.
 */
async function expireDue(tx: Sql, reservationIds: readonly string[]): Promise<Level[]> {
  const { rows: expired } = await tx.query<{ reservation_id: string }>({
    name: 'reservation_expire',
    text: `
      WITH due AS (
        SELECT reservation_id FROM reservations
        WHERE reservation_id = ANY($1::uuid[]) AND state = 1 AND expire_time <= now()
        ORDER BY reservation_id
        FOR UPDATE
      )
      UPDATE reservations r SET state = 5, update_time = now()
      FROM due WHERE r.reservation_id = due.reservation_id
      RETURNING r.reservation_id`,
    values: [reservationIds],
  });
  const ids = expired.map((row) => row.reservation_id);
  await append(tx, ids.map(reservationChange));
  return giveBack(tx, ids);
}

/**
 * Takes what reservations still hold out of `reserved`: what they were allocated less what has left. Others who wait for such units are
 * served from them. The caller has just moved the reservations to a state that holds nothing, and holds the locks of their stock rows.
 *
 * @returns the levels that changed.
 */
export async function giveBack(tx: Sql, reservationIds: readonly string[]): Promise<Level[]> {
  const { rows } = await tx.query<StockRow>({
    name: 'stock_give_back',
    text: `
      WITH held AS MATERIALIZED (
        SELECT reservation_id, sku, location_id, lot_id, quantity - committed_quantity AS quantity, backordered_quantity
        FROM allocations WHERE reservation_id = ANY($1::uuid[])
      ), settled AS (
        UPDATE allocations a SET backordered_quantity = 0
        FROM held h
        WHERE h.backordered_quantity > 0 AND a.reservation_id = h.reservation_id AND a.sku = h.sku
          AND a.location_id = h.location_id AND a.lot_id = h.lot_id
      ), freed_lots AS (
        UPDATE lot_stock x SET reserved = x.reserved - f.quantity
        FROM (SELECT sku, location_id, lot_id, sum(quantity)::bigint AS quantity
          FROM held WHERE lot_id <> '' GROUP BY sku, location_id, lot_id) f
        WHERE x.sku = f.sku AND x.location_id = f.location_id AND x.lot_id = f.lot_id
      )
      UPDATE stock s SET reserved = s.reserved - f.quantity, backordered = s.backordered - f.backordered, update_time = now()
      FROM (SELECT sku, location_id, sum(quantity)::bigint AS quantity, sum(backordered_quantity)::bigint AS backordered
        FROM held GROUP BY sku, location_id) f
      WHERE s.sku = f.sku AND s.location_id = f.location_id
      RETURNING ${STOCK_COLUMNS}`,
    values: [reservationIds],
  });
  const levels = await fillBackorders(tx, rows.map(levelOf));
  await append(tx, levels.map(stockChange));
  return levels;
}
