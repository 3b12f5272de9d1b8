/**
 * Lists the ledger, newest first. It is the largest table and only grows, so each of its questions is put such that one index alone can answer it:
 * an equality would let the planner walk back through everybody's entries by id, in the hope to meet some of the item soon, which for one
 * that has not moved for long is the whole table.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type LedgerEntry, LedgerEntrySchema, type StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { AFTER_EVERY_UUID } from '@weft/runtime/data/page';
import type { Sql } from '@weft/runtime/data/pool';

/** The columns of `ledger_entries`. */
export type LedgerRow = {
  readonly ledger_entry_id: string;
  readonly sku: string;
  readonly location_id: string;
  readonly lot_id: string;
  readonly on_hand_delta: bigint;
  readonly on_hand_after: bigint;
  readonly damaged_delta: bigint;
  readonly quality_control_delta: bigint;
  readonly incoming_delta: bigint;
  readonly safety_delta: bigint;
  readonly reason: StockReason;
  readonly source: string;
  readonly actor: string;
  readonly create_time: Date;
};

/** The entry as clients see it. */
export function ledgerMessage(row: LedgerRow): LedgerEntry {
  return create(LedgerEntrySchema, {
    ledgerEntryId: row.ledger_entry_id,
    sku: row.sku,
    locationId: row.location_id,
    lotId: row.lot_id,
    onHandDelta: row.on_hand_delta,
    onHandAfter: row.on_hand_after,
    damagedDelta: row.damaged_delta,
    qualityControlDelta: row.quality_control_delta,
    incomingDelta: row.incoming_delta,
    safetyDelta: row.safety_delta,
    reason: row.reason,
    source: row.source,
    actor: row.actor,
    createTime: timestampFromDate(row.create_time),
  });
}

/** Entries of an item at a location ($1, $2): by the index that begins with both. */
const AT_PLACE = `
  SELECT * FROM ledger_entries l
  WHERE (l.sku, l.location_id, l.ledger_entry_id) < ($1, $2, $3) AND (l.sku, l.location_id) >= ($1, $2)
  ORDER BY l.sku DESC, l.location_id DESC, l.ledger_entry_id DESC LIMIT $4`;

/** Of an item ($1): from location to location in the same index, the latest of each. */
const OF_ITEM = `
  WITH RECURSIVE places AS (
    (SELECT location_id FROM ledger_entries WHERE sku = $1 ORDER BY location_id LIMIT 1)
    UNION ALL
    SELECT n.location_id
    FROM places p
    CROSS JOIN LATERAL (
      SELECT location_id FROM ledger_entries
      WHERE sku = $1 AND location_id > p.location_id ORDER BY location_id LIMIT 1) n
  )
  SELECT e.*
  FROM places p
  CROSS JOIN LATERAL (
    SELECT * FROM ledger_entries l
    WHERE (l.sku, l.location_id, l.ledger_entry_id) < ($1, p.location_id, $2) AND (l.sku, l.location_id) >= ($1, p.location_id)
    ORDER BY l.sku DESC, l.location_id DESC, l.ledger_entry_id DESC LIMIT $3) e
  ORDER BY e.ledger_entry_id DESC LIMIT $3`;

/** At a location ($1): by the index that begins with it. */
const AT_LOCATION = `
  SELECT * FROM ledger_entries l
  WHERE (l.location_id, l.ledger_entry_id) < ($1, $2) AND l.location_id >= $1
  ORDER BY l.location_id DESC, l.ledger_entry_id DESC LIMIT $3`;

/** All: by the primary key. */
const ALL = 'SELECT * FROM ledger_entries WHERE ledger_entry_id < $1 ORDER BY ledger_entry_id DESC LIMIT $2';

/** Up to `limit` entries of an item, a location, or both (an empty one means all), newest first: ids grow with time. */
export async function listLedger(
  db: Sql,
  { sku, locationId }: { readonly sku: string; readonly locationId: string },
  before: string = AFTER_EVERY_UUID,
  limit: number,
): Promise<LedgerEntry[]> {
  const question =
    sku !== '' && locationId !== ''
      ? { name: 'ledger_at_place', text: AT_PLACE, values: [sku, locationId, before, limit] }
      : sku !== ''
        ? { name: 'ledger_of_item', text: OF_ITEM, values: [sku, before, limit] }
        : locationId !== ''
          ? { name: 'ledger_at_location', text: AT_LOCATION, values: [locationId, before, limit] }
          : { name: 'ledger_all', text: ALL, values: [before, limit] };
  const { rows } = await db.query<LedgerRow>(question);
  return rows.map(ledgerMessage);
}
