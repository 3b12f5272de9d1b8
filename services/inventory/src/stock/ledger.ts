/**
 * The ledger: every change of a balance, with its reason. It only grows, and each balance is its sum.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type LedgerEntry, LedgerEntrySchema, type StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { stockChange } from '../changes.ts';
import { fillBackorders } from './backorders.ts';
import { type Level, levelOf, STOCK_COLUMNS, type StockRow } from './level.ts';

/** Units to add to the balances of one level, and of one lot of it where one is named; negative to take off. Absent ones stay. */
export type Posting = {
  readonly sku: string;
  readonly locationId: string;
  /** Absent or empty for items that are not kept by lot, and for what is of no lot: incoming and safety. */
  readonly lotId?: string;
  readonly onHand?: bigint;
  readonly damaged?: bigint;
  readonly qualityControl?: bigint;
  readonly incoming?: bigint;
  readonly safety?: bigint;
  /** Not in the ledger: what is reserved is the sum of active reservations. */
  readonly reserved?: bigint;
};

/** Who and what is behind a booking. */
export type Occasion = { readonly reason: StockReason; readonly source: string; readonly actor: string };

/**
 * Books: adds to balances, writes one ledger entry for each posting, tells the watchers, and serves backorders from units that became free.
 * The stock rows must exist and be locked by this transaction (stock/lock.ts), the lots of postings that name one be known
 * (`knowLots`), and the outcome be within bounds: the caller checks and says what is wrong in its own words, the tables' CHECKs are only the
 * backstop.
 *
 * @returns the levels afterwards, without lots, and the entries in the order of the postings.
 */
export async function post(
  tx: Sql,
  postings: readonly Posting[],
  occasion: Occasion,
): Promise<{ levels: Level[]; entries: LedgerEntry[] }> {
  if (postings.length === 0) {
    return { levels: [], entries: [] };
  }
  const column = (read: (posting: Posting) => bigint | undefined) => postings.map((posting) => read(posting) ?? 0n);
  const { rows } = await tx.query<StockRow & EntryRow>({
    name: 'stock_post',
    text: `
      WITH posting AS MATERIALIZED (
        SELECT p.*, s.on_hand + sum(p.on_hand) OVER (PARTITION BY p.sku, p.location_id ORDER BY p.number) AS on_hand_after
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
          WITH ORDINALITY
          AS p(sku, location_id, lot_id, on_hand, damaged, quality_control, incoming, safety, reserved, number)
        JOIN stock s ON s.sku = p.sku AND s.location_id = p.location_id
      ), changed AS (
        UPDATE stock s SET on_hand = s.on_hand + t.on_hand, damaged = s.damaged + t.damaged,
          quality_control = s.quality_control + t.quality_control, incoming = s.incoming + t.incoming,
          safety = s.safety + t.safety, reserved = s.reserved + t.reserved, update_time = now()
        FROM (
          SELECT sku, location_id, sum(on_hand)::bigint AS on_hand, sum(damaged)::bigint AS damaged,
            sum(quality_control)::bigint AS quality_control, sum(incoming)::bigint AS incoming, sum(safety)::bigint AS safety,
            sum(reserved)::bigint AS reserved
          FROM posting GROUP BY sku, location_id) t
        WHERE s.sku = t.sku AND s.location_id = t.location_id
        RETURNING ${STOCK_COLUMNS}
      ), changed_lot AS (
        UPDATE lot_stock x SET on_hand = x.on_hand + t.on_hand, damaged = x.damaged + t.damaged,
          quality_control = x.quality_control + t.quality_control, reserved = x.reserved + t.reserved
        FROM (
          SELECT sku, location_id, lot_id, sum(on_hand)::bigint AS on_hand, sum(damaged)::bigint AS damaged,
            sum(quality_control)::bigint AS quality_control, sum(reserved)::bigint AS reserved
          FROM posting WHERE lot_id <> '' GROUP BY sku, location_id, lot_id) t
        WHERE x.sku = t.sku AND x.location_id = t.location_id AND x.lot_id = t.lot_id
      ), booked AS (
        INSERT INTO ledger_entries (sku, location_id, lot_id, on_hand_delta, on_hand_after, damaged_delta, quality_control_delta,
          incoming_delta, safety_delta, reason, source, actor)
        SELECT sku, location_id, lot_id, on_hand, on_hand_after, damaged, quality_control, incoming, safety, $10, $11, $12
        FROM posting ORDER BY number
        RETURNING ledger_entry_id, on_hand_after, create_time
      )
      -- Levels, then entries: joined, they would be compared each with each where many are booked.
      SELECT s.*, b.ledger_entry_id, b.on_hand_after, b.create_time AS entry_time FROM changed s LEFT JOIN booked b ON false
      UNION ALL
      SELECT s.*, b.ledger_entry_id, b.on_hand_after, b.create_time FROM booked b LEFT JOIN changed s ON false
      ORDER BY ledger_entry_id`,
    values: [
      postings.map(({ sku }) => sku),
      postings.map(({ locationId }) => locationId),
      postings.map(({ lotId }) => lotId ?? ''),
      column(({ onHand }) => onHand),
      column(({ damaged }) => damaged),
      column(({ qualityControl }) => qualityControl),
      column(({ incoming }) => incoming),
      column(({ safety }) => safety),
      column(({ reserved }) => reserved),
      occasion.reason,
      occasion.source,
      occasion.actor,
    ],
  });
  const entries = rows.filter(({ ledger_entry_id: id }) => id !== null);
  const changed = rows.filter(({ ledger_entry_id: id }) => id === null).map(levelOf);
  if (entries.length !== postings.length) {
    throw new Error(`${postings.length} postings made ${entries.length} entries: a stock row is missing`);
  }
  const levels = await fillBackorders(tx, changed);
  await append(tx, levels.map(stockChange));
  return { levels, entries: postings.map((posting, index) => entryMessage(posting, occasion, entries[index])) };
}

/** What the database adds to a posting as it becomes an entry; null in the rows of levels. */
type EntryRow = {
  readonly ledger_entry_id: string | null;
  readonly on_hand_after: bigint;
  readonly entry_time: Date;
};

function entryMessage(posting: Posting, { reason, source, actor }: Occasion, row: EntryRow | undefined): LedgerEntry {
  return create(LedgerEntrySchema, {
    ledgerEntryId: row?.ledger_entry_id ?? '',
    sku: posting.sku,
    locationId: posting.locationId,
    lotId: posting.lotId ?? '',
    onHandDelta: posting.onHand ?? 0n,
    onHandAfter: row?.on_hand_after ?? 0n,
    damagedDelta: posting.damaged ?? 0n,
    qualityControlDelta: posting.qualityControl ?? 0n,
    incomingDelta: posting.incoming ?? 0n,
    safetyDelta: posting.safety ?? 0n,
    reason,
    source,
    actor,
    ...(row === undefined ? {} : { createTime: timestampFromDate(row.entry_time) }),
  });
}
