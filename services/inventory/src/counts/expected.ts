/**
 * What the books had when people counted. The stock goes on moving while they do, so it is reckoned backwards: what is on hand now, under the
 * stock row's lock, less what the ledger has booked since the time of counting. Under that lock every booking that has been committed is
 * seen, and no other is under way.
 *
 * A booking is of the time at which its transaction began (`create_time`), which is right after somebody moved the goods and told us, not of
 * the time at which it was committed. One that began before the counting and still waits for the row's lock is not seen yet and would be
 * taken for a later one: that is why approval reckons anew what submission has reckoned, by when such a transaction has long ended (none
 * outlasts its caller's deadline).
 *
 * What remains uncertain: goods that lay in somebody's hands, moved and not booked or booked and not moved, while others counted; a clock
 * of the counter that differs from the database's; and a millisecond, since instants are kept to the millisecond.
 */

import type { Sql } from '@weft/runtime/data/pool';

/** A line of a count. */
export type Line = {
  readonly sku: string;
  /** Empty for items that are not kept by lot. */
  readonly lotId: string;
  /** counted - expected. */
  readonly difference: bigint;
};

/**
 * Reckons what was expected of these items' lines and writes it down. Their stock rows must be there and be locked by this transaction.
 *
 * Bookings that crossed one another can add up to less than nothing at an instant between them, which never lay there: it counts as nothing.
 * Ledger ids are made from the clock once the row is locked, so none that was booked later has a much lower one: entries long before the
 * counting are not even looked at, however long the ledger. The minute is for clocks that are set back.
 *
 * @returns the lines, by SKU, then lot.
 */
export async function reckon(tx: Sql, countId: string, skus: readonly string[]): Promise<Line[]> {
  const { rows } = await tx.query<{ sku: string; lot_id: string; difference: bigint }>({
    name: 'count_reckon',
    text: `
      WITH reckoned AS MATERIALIZED (
        SELECT l.sku, l.lot_id, l.counted_quantity, l.expected_quantity AS before,
          greatest(0, CASE WHEN l.lot_id = '' THEN s.on_hand ELSE (
            SELECT coalesce(sum(x.on_hand), 0)::bigint FROM lot_stock x
            WHERE x.sku = l.sku AND x.location_id = c.location_id AND x.lot_id = l.lot_id) END
          - (
            SELECT coalesce(sum(e.on_hand_delta), 0)::bigint FROM ledger_entries e
            WHERE e.sku = l.sku AND e.location_id = c.location_id AND e.create_time > l.count_time
              AND (l.lot_id = '' OR e.lot_id = l.lot_id)
              AND e.ledger_entry_id >= rpad(lpad(to_hex(
                (extract(epoch FROM l.count_time) * 1000)::bigint - 60000), 12, '0'), 32, '0')::uuid)) AS expected
        FROM count_lines l JOIN counts c ON c.count_id = l.count_id JOIN stock s ON s.sku = l.sku AND s.location_id = c.location_id
        WHERE l.count_id = $1 AND l.sku = ANY($2::text[])
      ), changed AS (
        UPDATE count_lines l SET expected_quantity = r.expected
        FROM reckoned r
        WHERE r.expected <> r.before AND l.count_id = $1 AND l.sku = r.sku AND l.lot_id = r.lot_id
      )
      SELECT sku, lot_id, counted_quantity - expected AS difference FROM reckoned ORDER BY sku, lot_id`,
    values: [countId, skus],
  });
  return rows.map((row) => ({ sku: row.sku, lotId: row.lot_id, difference: row.difference }));
}
