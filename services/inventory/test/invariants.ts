/**
 * What must hold of inventory's tables at any moment between two transactions.
 */

import type { Pool } from 'pg';
import { expect } from 'vitest';

/** Looks at all tables on one snapshot. */
export async function checkInvariants(pool: Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const none = async (sql: string) => expect((await client.query(sql)).rows, sql).toEqual([]);
    // reserved = sum of the allocations of held and confirmed reservations, tidied or not.
    await none(`
      SELECT s.sku, s.location_id, s.reserved, coalesce(a.quantity, 0) AS active
      FROM stock s FULL JOIN (
        SELECT sku, location_id, sum(quantity) AS quantity
        FROM allocations JOIN reservations USING (reservation_id) WHERE state IN (1, 2) GROUP BY sku, location_id
      ) a USING (sku, location_id)
      WHERE s.reserved IS DISTINCT FROM coalesce(a.quantity, 0)`);
    // on hand = sum of the ledger, and each entry says what was on hand after it.
    await none(`
      SELECT s.sku, s.location_id, s.on_hand, l.sum, l.last
      FROM stock s FULL JOIN (
        SELECT sku, location_id, sum(on_hand_delta) AS sum,
          (array_agg(on_hand_after ORDER BY ledger_entry_id DESC))[1] AS last
        FROM ledger_entries GROUP BY sku, location_id
      ) l USING (sku, location_id)
      WHERE coalesce(s.on_hand, 0) <> coalesce(l.sum, 0) OR coalesce(s.on_hand, 0) <> coalesce(l.last, 0)`);
    await none(`
      SELECT * FROM stock_now
      WHERE on_hand < 0 OR reserved < 0 OR unavailable < 0 OR safety < 0 OR on_hand < reserved + unavailable`);
    // Goods that left were booked once for each allocation.
    await none(`
      SELECT a.* FROM allocations a JOIN reservations r USING (reservation_id)
      WHERE (r.state = 3) <> EXISTS (
        SELECT FROM ledger_entries l WHERE l.source = a.reservation_id::text AND l.reason = 7
          AND l.sku = a.sku AND l.location_id = a.location_id AND l.on_hand_delta = -a.quantity)`);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}
