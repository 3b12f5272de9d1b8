/**
 * The ledger: every change of what is on hand, with its reason. It only grows, and each balance is its sum.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type LedgerEntry, LedgerEntrySchema, type StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { type Level, levelOf, STOCK_COLUMNS, type StockRow } from './level.ts';

/** The columns of `ledger_entries`. */
export type LedgerRow = {
  readonly ledger_entry_id: string;
  readonly sku: string;
  readonly location_id: string;
  readonly on_hand_delta: bigint;
  readonly on_hand_after: bigint;
  readonly reason: StockReason;
  readonly source: string;
  readonly actor: string;
  readonly create_time: Date;
};

/** A level to be set. */
export type Setting = {
  readonly sku: string;
  readonly locationId: string;
  readonly onHand: bigint;
  readonly safety: bigint;
};

/** Who and what is behind a booking. */
export type Occasion = { readonly reason: StockReason; readonly source: string; readonly actor: string };

/** The entry as clients see it. */
export function ledgerMessage(row: LedgerRow): LedgerEntry {
  return create(LedgerEntrySchema, {
    ledgerEntryId: row.ledger_entry_id,
    sku: row.sku,
    locationId: row.location_id,
    onHandDelta: row.on_hand_delta,
    onHandAfter: row.on_hand_after,
    reason: row.reason,
    source: row.source,
    actor: row.actor,
    createTime: timestampFromDate(row.create_time),
  });
}

/**
 * Sets levels whose rows this transaction has locked, and books the difference. A level whose `safety` alone changes has no
 * entry in the ledger.
 */
export async function book(
  tx: Sql,
  settings: readonly Setting[],
  occasion: Occasion,
): Promise<{ levels: Level[]; entries: LedgerEntry[] }> {
  if (settings.length === 0) {
    return { levels: [], entries: [] };
  }
  const { rows } = await tx.query<StockRow & Partial<LedgerRow>>({
    name: 'stock_book',
    text: `
      WITH before AS (
        SELECT k.sku, k.location_id, k.on_hand, k.safety, k.on_hand - s.on_hand AS delta
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS k(sku, location_id, on_hand, safety)
        JOIN stock s USING (sku, location_id)
      ), changed AS (
        UPDATE stock s SET on_hand = before.on_hand, safety = before.safety, update_time = now()
        FROM before WHERE s.sku = before.sku AND s.location_id = before.location_id
        RETURNING ${STOCK_COLUMNS}
      ), booked AS (
        INSERT INTO ledger_entries (sku, location_id, on_hand_delta, on_hand_after, reason, source, actor)
        SELECT sku, location_id, delta, on_hand, $5, $6, $7 FROM before WHERE delta <> 0
        RETURNING *
      )
      SELECT s.*, b.ledger_entry_id, b.on_hand_delta, b.on_hand_after, b.reason, b.source, b.actor, b.create_time
      FROM changed s LEFT JOIN booked b USING (sku, location_id)`,
    values: [
      settings.map(({ sku }) => sku),
      settings.map(({ locationId }) => locationId),
      settings.map(({ onHand }) => onHand),
      settings.map(({ safety }) => safety),
      occasion.reason,
      occasion.source,
      occasion.actor,
    ],
  });
  return {
    levels: rows.map(levelOf),
    entries: rows.filter(isBooked).map(ledgerMessage),
  };
}

function isBooked(row: StockRow & { readonly ledger_entry_id?: string | null }): row is StockRow & LedgerRow {
  return typeof row.ledger_entry_id === 'string';
}

/** Up to `limit` entries of an item, a location, or both (an empty one means all), newest first: ids grow with time. */
export async function listLedger(
  db: Sql,
  { sku, locationId }: { readonly sku: string; readonly locationId: string },
  before: string | undefined,
  limit: number,
): Promise<LedgerEntry[]> {
  const values: unknown[] = [limit];
  const conditions = [
    ...(before === undefined ? [] : [`ledger_entry_id < $${values.push(before)}`]),
    ...(sku === '' ? [] : [`sku = $${values.push(sku)}`]),
    ...(locationId === '' ? [] : [`location_id = $${values.push(locationId)}`]),
  ];
  const { rows } = await db.query<LedgerRow>({
    text: `
      SELECT * FROM ledger_entries
      WHERE ${conditions.join(' AND ') || 'true'}
      ORDER BY ledger_entry_id DESC LIMIT $1`,
    values,
  });
  return rows.map(ledgerMessage);
}
