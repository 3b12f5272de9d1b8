/**
 * What must hold of inventory's tables at any moment between two transactions.
 */

import type { Pool } from 'pg';
import { expect } from 'vitest';
import { FIRST_LEVEL, type LevelPosition } from '../src/stock/read.ts';
import { reconcile } from '../src/stock/reconcile.ts';

const PAGE = 10_000;

/** What no transaction may leave behind, as queries that find nothing. */
const NEVER: Readonly<Record<string, string>> = {
  'the last entry of a ledger says what is on hand': `
    SELECT s.sku, s.location_id, s.on_hand, l.last
    FROM stock s JOIN (
      SELECT sku, location_id, (array_agg(on_hand_after ORDER BY ledger_entry_id DESC))[1] AS last
      FROM ledger_entries GROUP BY sku, location_id
    ) l USING (sku, location_id)
    WHERE s.on_hand <> l.last`,
  'nothing is negative or sold twice': `
    SELECT * FROM stock_now
    WHERE least(on_hand, reserved, unavailable, damaged, quality_control, expired, safety, incoming, backordered, low_stock_threshold) < 0
      OR unavailable <> damaged + quality_control + expired OR on_hand < reserved - backordered + unavailable
      OR backordered > reserved`,
  'of a level that is low it is known that this was told, and of no other': `
    SELECT s.sku, s.location_id, s.low_stock_told, s.low_stock_threshold, x.expired
    FROM stock s LEFT JOIN LATERAL (
      SELECT sum(x.on_hand - x.reserved - x.damaged - x.quality_control) AS expired, bool_and(l.expiry_told) AS told
      FROM lot_stock x JOIN lots l USING (sku, lot_id)
      WHERE x.sku = s.sku AND x.location_id = s.location_id AND l.expire_time <= now()
    ) x ON true
    WHERE x.told IS NOT FALSE AND s.low_stock_told <> (s.low_stock_threshold > 0
      AND s.on_hand - s.reserved - s.unavailable - s.safety - coalesce(x.expired, 0) <= s.low_stock_threshold)`,
  'no lot is negative or sold twice': `
    SELECT * FROM lot_stock
    WHERE least(on_hand, reserved, damaged, quality_control) < 0 OR on_hand < reserved + damaged + quality_control`,
  'the lots of a level add up to it in every state, and items without lots have none': `
    SELECT s.sku, s.location_id, s.on_hand, s.reserved, s.damaged, s.quality_control, x.*
    FROM stock s JOIN items i USING (sku) LEFT JOIN (
      SELECT sku, location_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved, sum(damaged) AS damaged,
        sum(quality_control) AS quality_control
      FROM lot_stock GROUP BY sku, location_id
    ) x USING (sku, location_id)
    WHERE CASE WHEN i.lot_tracked THEN ARRAY[s.on_hand, s.reserved, s.damaged, s.quality_control]::numeric[] ELSE ARRAY[0, 0, 0, 0] END
      <> ARRAY[coalesce(x.on_hand, 0), coalesce(x.reserved, 0), coalesce(x.damaged, 0), coalesce(x.quality_control, 0)]`,
  'kits hold nothing': `
    SELECT * FROM stock s JOIN items i USING (sku)
    WHERE i.is_kit AND greatest(s.on_hand, s.reserved, s.damaged, s.quality_control, s.incoming, s.safety, s.backordered) > 0`,
  'what left with a reservation was booked once': `
    SELECT * FROM (
      SELECT reservation_id::text AS source, sku, location_id, lot_id, committed_quantity AS units
      FROM allocations WHERE committed_quantity > 0
    ) a FULL JOIN (
      SELECT source, sku, location_id, lot_id, -sum(on_hand_delta) AS booked
      FROM ledger_entries WHERE reason = 7 GROUP BY source, sku, location_id, lot_id
    ) l USING (source, sku, location_id, lot_id)
    WHERE a.units IS DISTINCT FROM l.booked`,
  'a reservation that was committed has nothing left, others have not lost all': `
    SELECT r.reservation_id, r.state FROM reservations r JOIN allocations a USING (reservation_id)
    GROUP BY r.reservation_id, r.state
    HAVING (r.state = 3) <> (sum(a.quantity - a.committed_quantity) = 0)`,
  'transfers neither make units nor lose them': `
    SELECT sku, sum(on_hand_delta + incoming_delta) FROM ledger_entries WHERE reason = 10
    GROUP BY sku HAVING sum(on_hand_delta + incoming_delta) <> 0`,
  'every unit that was shipped is accepted, rejected, returned or on the way, and booked so once': `
    SELECT * FROM (
      SELECT t.transfer_id::text AS source, l.sku, t.source_location_id, t.destination_location_id,
        CASE WHEN t.ship_time IS NULL THEN 0 ELSE sum(l.returned_quantity - l.quantity) END AS at_source,
        sum(l.accepted_quantity + l.rejected_quantity) AS at_destination, sum(l.rejected_quantity) AS damaged,
        CASE WHEN t.ship_time IS NULL THEN 0
          ELSE sum(l.quantity - l.accepted_quantity - l.rejected_quantity - l.returned_quantity) END AS incoming
      FROM transfers t JOIN transfer_lines l USING (transfer_id) GROUP BY t.transfer_id, l.sku
    ) t, LATERAL (
      SELECT coalesce(sum(on_hand_delta) FILTER (WHERE e.location_id = t.source_location_id), 0) AS booked_at_source,
        coalesce(sum(on_hand_delta) FILTER (WHERE e.location_id = t.destination_location_id), 0) AS booked_at_destination,
        coalesce(sum(damaged_delta), 0) AS booked_damaged, coalesce(sum(incoming_delta), 0) AS booked_incoming
      FROM ledger_entries e WHERE e.reason = 10 AND e.source = t.source AND e.sku = t.sku
    ) e
    WHERE (at_source, at_destination, damaged, incoming)
      <> (booked_at_source, booked_at_destination, booked_damaged, booked_incoming)`,
  'a transfer is final exactly when nothing of it is on the way': `
    SELECT t.transfer_id, t.state FROM transfers t JOIN transfer_lines l USING (transfer_id) WHERE t.state IN (2, 3, 4)
    GROUP BY t.transfer_id, t.state
    HAVING (t.state = 4) <> (sum(l.quantity - l.accepted_quantity - l.rejected_quantity - l.returned_quantity) = 0)`,
  'what transfers have on the way is incoming': `
    SELECT t.destination_location_id, l.sku, s.incoming, sum(l.quantity - l.accepted_quantity - l.rejected_quantity - l.returned_quantity)
    FROM transfers t JOIN transfer_lines l USING (transfer_id)
    LEFT JOIN stock s ON s.sku = l.sku AND s.location_id = t.destination_location_id
    WHERE t.state IN (2, 3)
    GROUP BY t.destination_location_id, l.sku, s.incoming
    HAVING coalesce(s.incoming, 0) < sum(l.quantity - l.accepted_quantity - l.rejected_quantity - l.returned_quantity)`,
  'what a count found beyond the books, or less, was booked once, and of no count that is not approved': `
    SELECT * FROM (
      SELECT c.count_id::text AS source, l.sku, c.location_id, l.lot_id, l.counted_quantity - l.expected_quantity AS found
      FROM counts c JOIN count_lines l USING (count_id) WHERE c.state = 3 AND l.counted_quantity <> l.expected_quantity
    ) c FULL JOIN (
      SELECT source, sku, location_id, lot_id, sum(on_hand_delta) AS booked
      FROM ledger_entries WHERE reason = 9 GROUP BY source, sku, location_id, lot_id
    ) l USING (source, sku, location_id, lot_id)
    WHERE c.found IS DISTINCT FROM l.booked`,
  'a count has lines from its submission on, of its items and from its time, and is approved once': `
    SELECT c.count_id, c.state, l.* FROM counts c LEFT JOIN count_lines l USING (count_id)
    WHERE (c.state = 3) <> (c.approve_time IS NOT NULL)
      OR CASE c.state WHEN 1 THEN l.sku IS NOT NULL WHEN 2 THEN l.sku IS NULL ELSE false END
      OR l.sku <> ALL (c.skus) OR l.expected_quantity < 0
      OR l.count_time NOT BETWEEN c.create_time AND now()`,
};

/** Looks at all tables on one snapshot. */
export async function checkInvariants(pool: Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    let after: LevelPosition | undefined = FIRST_LEVEL;
    while (after !== undefined) {
      const { discrepancies, next } = await reconcile(client, { sku: '' }, after, PAGE);
      expect(discrepancies, 'the books are right').toEqual([]);
      after = next;
    }
    for (const [meaning, sql] of Object.entries(NEVER)) {
      expect((await client.query(sql)).rows, meaning).toEqual([]);
    }
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}
