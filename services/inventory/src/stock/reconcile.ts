/**
 * Proves the books: what each balance says against what it must be the sum of. It reads tables, not views or functions of the writers, so
 * that it shares none of their mistakes. A page is one statement and so of one instant.
 */

import { create } from '@bufbuild/protobuf';
import {
  type ReconcileStockRequest,
  StockBalance,
  type StockDiscrepancy,
  StockDiscrepancySchema,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import type { LevelPosition } from './read.ts';

/** A page of the proof. */
export type Proof = {
  readonly comparedCount: bigint;
  readonly discrepancies: readonly StockDiscrepancy[];
  /** The last level that was compared, when more follow. */
  readonly next: LevelPosition | undefined;
};

/** Discrepancies of a page, at most, so that it can be sent: books that are all wrong are proven in smaller pages. */
const MAX_DISCREPANCIES = 10_000;

type ProofRow = {
  readonly compared: bigint;
  readonly more: boolean;
  readonly last_sku: string | null;
  readonly last_location_id: string | null;
  readonly sku: string | null;
  readonly location_id: string;
  readonly lot_id: string;
  readonly balance: StockBalance;
  readonly recorded: bigint;
  readonly computed: bigint;
};

/** Compares up to `limit` levels after a position, by SKU, then location; of one item, or, when `sku` is empty, of all. */
export async function reconcile(
  db: Sql,
  { sku }: Pick<ReconcileStockRequest, 'sku'>,
  after: LevelPosition,
  limit: number,
): Promise<Proof> {
  const { rows } = await db.query<ProofRow>({
    text: PROOF,
    values: [after.sku < sku ? sku : after.sku, after.sku < sku ? '' : after.locationId, limit, sku],
  });
  if (rows.length > MAX_DISCREPANCIES && limit > 1) {
    return reconcile(db, { sku }, after, Math.ceil(limit / 10));
  }
  const [first] = rows;
  const {
    compared = 0n,
    more = false,
    last_sku: lastSku = null,
    last_location_id: lastLocationId = null,
  } = first ?? {};
  return {
    comparedCount: compared,
    discrepancies: rows.filter((row) => row.sku !== null).map(discrepancyMessage),
    next:
      more && lastSku !== null && lastLocationId !== null ? { sku: lastSku, locationId: lastLocationId } : undefined,
  };
}

function discrepancyMessage(row: ProofRow): StockDiscrepancy {
  return create(StockDiscrepancySchema, {
    sku: row.sku ?? '',
    locationId: row.location_id,
    lotId: row.lot_id,
    balance: row.balance,
    recorded: row.recorded,
    computed: row.computed,
  });
}

/**
 * The levels of a page are the next that have a stock row or a ledger, found by going from key to key in their indexes, so that a page
 * costs what its own ledger holds. The allocations are those of all active reservations: an index by item would be
 * paid for by every reservation and serve nothing else. Where they name a level that has neither, that is found too.
 *
 * What is recorded and what it must be come as rows of one form, by level (lot '') and by lot, and are compared once added up.
 */
const PROOF = `
  WITH RECURSIVE ledger_keys (sku, location_id, number) AS (
    SELECT $1::text COLLATE "C", $2::text COLLATE "C", 0
    UNION ALL
    SELECT n.sku, n.location_id, k.number + 1
    FROM ledger_keys k
    CROSS JOIN LATERAL (
      SELECT l.sku, l.location_id FROM ledger_entries l
      WHERE (l.sku, l.location_id) > (k.sku, k.location_id) AND ($4 = '' OR l.sku = $4)
      ORDER BY l.sku, l.location_id LIMIT 1) n
    WHERE k.number <= $3
  ), next AS MATERIALIZED (
    SELECT sku, location_id, row_number() OVER (ORDER BY sku, location_id) AS number
    FROM (
      SELECT sku, location_id FROM ledger_keys WHERE number > 0
      UNION
      (SELECT sku, location_id FROM stock
        WHERE (sku, location_id) > ($1, $2) AND ($4 = '' OR sku = $4) ORDER BY sku, location_id LIMIT $3 + 1)) k
    ORDER BY sku, location_id LIMIT $3 + 1
  ), page AS MATERIALIZED (
    SELECT sku, location_id FROM next WHERE number <= $3
  ), bound AS MATERIALIZED (
    -- '~' comes after every SKU: the last page has no end.
    SELECT more, CASE WHEN more THEN sku ELSE '~' END AS sku, CASE WHEN more THEN location_id ELSE '' END AS location_id
    FROM (SELECT EXISTS (SELECT FROM next WHERE number > $3) AS more) m
    LEFT JOIN next ON number = $3
  ), booked AS MATERIALIZED (
    SELECT p.sku, p.location_id, l.*
    FROM page p
    CROSS JOIN LATERAL (
      SELECT lot_id, sum(on_hand_delta) AS on_hand, sum(damaged_delta) AS damaged, sum(quality_control_delta) AS quality_control,
        sum(incoming_delta) AS incoming, sum(safety_delta) AS safety
      FROM ledger_entries WHERE sku = p.sku AND location_id = p.location_id GROUP BY lot_id) l
  ), held AS MATERIALIZED (
    SELECT a.sku, a.location_id, a.lot_id, sum(a.quantity - a.committed_quantity) AS reserved,
      sum(a.backordered_quantity) AS backordered
    FROM reservations r
    JOIN allocations a USING (reservation_id)
    CROSS JOIN bound b
    WHERE r.state IN (1, 2) AND (a.sku, a.location_id) > ($1, $2) AND (a.sku, a.location_id) <= (b.sku, b.location_id)
      AND ($4 = '' OR a.sku = $4)
    GROUP BY a.sku, a.location_id, a.lot_id
  ), lots AS MATERIALIZED (
    SELECT x.* FROM page JOIN lot_stock x USING (sku, location_id)
  ), fact (sku, location_id, lot_id, computed, on_hand, damaged, quality_control, incoming, safety, reserved, backordered) AS (
    SELECT sku, location_id, '', false, on_hand, damaged, quality_control, incoming, safety, reserved, backordered
    FROM page JOIN stock USING (sku, location_id)
    UNION ALL
    SELECT sku, location_id, lot_id, false, on_hand, damaged, quality_control, 0, 0, reserved, 0 FROM lots
    UNION ALL
    SELECT sku, location_id, '', true, on_hand, damaged, quality_control, incoming, safety, 0, 0 FROM booked
    UNION ALL
    -- What is on the way or kept back is of no lot, also where one booking named a lot and changed it too.
    SELECT sku, location_id, lot_id, true, on_hand, damaged, quality_control, 0, 0, 0, 0 FROM booked WHERE lot_id <> ''
    UNION ALL
    SELECT sku, location_id, '', true, 0, 0, 0, 0, 0, reserved, backordered FROM held
    UNION ALL
    SELECT sku, location_id, lot_id, true, 0, 0, 0, 0, 0, reserved, 0 FROM held WHERE lot_id <> ''
  ), signed AS (
    SELECT fact.*, CASE WHEN computed THEN -1 ELSE 1 END AS sign FROM fact
  ), wrong AS MATERIALIZED (
    -- Most levels are right: they are told apart before anything else is made of them.
    SELECT sku, location_id, lot_id FROM signed GROUP BY sku, location_id, lot_id
    HAVING sum(sign * on_hand) <> 0 OR sum(sign * damaged) <> 0 OR sum(sign * quality_control) <> 0 OR sum(sign * incoming) <> 0
      OR sum(sign * safety) <> 0 OR sum(sign * reserved) <> 0 OR sum(sign * backordered) <> 0
  ), discrepancy AS (
    SELECT sku, location_id, lot_id, u.balance, sum(u.units) FILTER (WHERE NOT computed) AS recorded,
      sum(u.units) FILTER (WHERE computed) AS computed
    FROM wrong JOIN fact USING (sku, location_id, lot_id)
    CROSS JOIN LATERAL (VALUES
      (${StockBalance.ON_HAND}, on_hand), (${StockBalance.DAMAGED}, damaged), (${StockBalance.QUALITY_CONTROL}, quality_control),
      (${StockBalance.INCOMING}, incoming), (${StockBalance.SAFETY}, safety), (${StockBalance.RESERVED}, reserved),
      (${StockBalance.BACKORDERED}, backordered)) AS u (balance, units)
    GROUP BY sku, location_id, lot_id, u.balance
    UNION ALL
    SELECT s.sku, s.location_id, '', ${StockBalance.LOTS}, s.on_hand, coalesce(sum(x.on_hand), 0)
    FROM page JOIN stock s USING (sku, location_id)
    JOIN items i ON i.sku = s.sku
    LEFT JOIN lots x ON x.sku = s.sku AND x.location_id = s.location_id
    WHERE i.lot_tracked OR x.on_hand <> 0
    GROUP BY s.sku, s.location_id, s.on_hand
  )
  SELECT (SELECT count(*) FROM (SELECT sku, location_id FROM page UNION SELECT sku, location_id FROM held) k) AS compared,
    b.more, b.sku AS last_sku, b.location_id AS last_location_id,
    d.sku, d.location_id, d.lot_id, d.balance, d.recorded, d.computed
  FROM bound b
  LEFT JOIN (
    SELECT sku, location_id, lot_id, balance, coalesce(recorded, 0)::bigint AS recorded, coalesce(computed, 0)::bigint AS computed
    FROM discrepancy WHERE coalesce(recorded, 0) <> coalesce(computed, 0)
    ORDER BY sku, location_id, lot_id, balance LIMIT ${MAX_DISCREPANCIES + 1}) d ON true
  ORDER BY d.sku, d.location_id, d.lot_id, d.balance`;
