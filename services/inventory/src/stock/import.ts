/**
 * Applies one chunk of a stock import: all of its rows or none. What is wrong is found row by row and told by line.
 *
 * A first load is a million rows, so what is ordinary takes few statements: levels that are new are written once, with what they are to
 * hold; of those that are there, the chunk's own rows alone are locked, and added to together. Rows of lots go the way of all other bookings.
 */

import {
  type StockRow as ImportRow,
  type ImportStockRequest,
  StockReason,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import type { Reason } from '@weft/runtime/errors/catalogue';
import { stockChange } from '../changes.ts';
import { instantOf } from '../instants.ts';
import { fillBackorders } from './backorders.ts';
import { checkRow, checkStock, LOCATION_ID_OF_ROW, namesOf, type Problem, SKU_OF_ROW } from './import-checks.ts';
import { type Occasion, post } from './ledger.ts';
import { type Level, levelKey, levelOf, STOCK_COLUMNS, type StockRow } from './level.ts';
import { lockStock } from './lock.ts';
import { claimLots, type Lot } from './lots.ts';
import { type HeldItem, holdItems, holdLocations } from './references.ts';

/** What was wrong with a row. */
export type RowError = { readonly line: bigint; readonly reason: Reason; readonly message: string };

/** How a chunk went that was applied. */
export type ChunkResult = { readonly changed: number; readonly unchanged: number };

/** Thrown for a chunk that cannot be applied, so that its transaction leaves nothing behind. */
export class ChunkRefused extends Error {
  override readonly name = 'ChunkRefused';
  readonly errors: readonly RowError[];

  constructor(errors: readonly RowError[]) {
    super(`${errors.length} rows cannot be applied`);
    this.errors = errors;
  }
}

/** A row with its line. */
type Line = { readonly line: bigint; readonly row: ImportRow };

/** A row that may be applied: the level as it was, empty where it was none, and the lot if it is of one. */
type Sound = Line & { readonly level: Level; readonly fresh: boolean; readonly lot?: Lot };

/**
 * Applies a chunk.
 *
 * @throws ChunkRefused, and INVALID_FIELD for an expiry that is no instant.
 */
export async function applyChunk(tx: Sql, chunk: ImportStockRequest, actor: string): Promise<ChunkResult> {
  const lines = chunk.rows.map((row, index) => ({ row, line: chunk.firstLine + BigInt(index) }));
  const errors: RowError[] = [];
  const keep = <T extends Line>(rows: readonly T[], problemOf: (row: T) => Problem | undefined): T[] =>
    rows.filter((row) => {
      const problem = problemOf(row);
      if (problem !== undefined) {
        errors.push({ line: row.line, ...problem });
      }
      return problem === undefined;
    });
  const items = await holdItems(
    tx,
    namesOf(chunk.rows, ({ sku }) => sku, SKU_OF_ROW),
  );
  const locations = await holdLocations(
    tx,
    namesOf(chunk.rows, ({ locationId }) => locationId, LOCATION_ID_OF_ROW),
  );
  const earlier = { lines: new Map<string, bigint>(), safety: new Map<string, bigint>() };
  const known = keep(lines, ({ row, line }) => checkRow(row, line, { items, locations, earlier }));

  // What is left is compared with the stock itself, so that one attempt tells everything that is wrong.
  const opened = await openLevels(tx, known, items);
  const sound = await openLots(tx, opened, errors);
  const added = new Map<string, bigint>();
  const checked = keep(sound, (row) => checkStock(row, added));
  if (errors.length > 0) {
    throw new ChunkRefused(errors.sort((a, b) => Number(a.line - b.line)));
  }
  const occasion = { reason: StockReason.IMPORTED, source: chunk.requestId, actor };
  const plain = checked
    .filter(({ lot }) => lot === undefined)
    .map(changeOf)
    .filter(isChange);
  const ofLots = lotPostings(checked);
  await book(tx, plain, occasion);
  await post(tx, ofLots, occasion);
  const changed = plain.length + ofLots.length;
  return { changed, unchanged: lines.length - changed };
}

/**
 * Makes the levels that are missing, with what they are to hold, and locks the others. Those that are made first wait at most for others
 * who make some: nobody makes levels once they have locked any.
 */
async function openLevels(tx: Sql, lines: readonly Line[], items: ReadonlyMap<string, HeldItem>): Promise<Sound[]> {
  // Of a level with lots, the first row makes it, with nothing; its lots are booked afterwards.
  const firsts = [...new Map(lines.toReversed().map((line) => [levelKey(line.row), line.row])).values()];
  const isPlain = (row: ImportRow) => items.get(row.sku)?.lotTracked === false;
  const columns = [firsts.map(({ sku }) => sku), firsts.map(({ locationId }) => locationId)];
  const made = await tx.query<StockRow>({
    name: 'import_make',
    text: `
      INSERT INTO stock AS s (sku, location_id, on_hand, safety)
      SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS k(sku, location_id, on_hand, safety)
      ORDER BY sku COLLATE "C", location_id COLLATE "C"
      ON CONFLICT DO NOTHING
      RETURNING ${STOCK_COLUMNS}`,
    values: [
      ...columns,
      firsts.map((row) => (isPlain(row) ? row.onHand : 0n)),
      firsts.map((row) => (isPlain(row) ? row.safety : 0n)),
    ],
  });
  const fresh = new Map(
    made.rows.map((row) => [levelKey({ sku: row.sku, locationId: row.location_id }), levelOf(row)]),
  );
  const levels = fresh.size === firsts.length ? [] : await lockLevels(tx, columns);
  const byKey = new Map(levels.map((level) => [levelKey(level), level]));
  return lines.map((line) => {
    const key = levelKey(line.row);
    const made = fresh.get(key);
    const level = made === undefined ? byKey.get(key) : { ...made, onHand: 0n, safety: 0n };
    if (level === undefined) {
      throw new Error(`the stock row of ${key} vanished under its location's lock`);
    }
    return { ...line, level, fresh: made !== undefined };
  });
}

/** Locks these rows and no others, unless holds on their items have run out: those are tidied first, as for every writer. */
async function lockLevels(tx: Sql, [skus = [], locationIds = []]: readonly (readonly string[])[]): Promise<Level[]> {
  const { rows: due } = await tx.query<{ sku: string }>({
    name: 'import_due',
    text: `
      SELECT DISTINCT a.sku FROM reservations r JOIN allocations a USING (reservation_id)
      WHERE r.state = 1 AND r.expire_time <= now() AND a.sku = ANY($1::text[])`,
    values: [skus],
  });
  if (due.length > 0) {
    await lockStock(tx, [...new Set(skus)]);
  }
  const { rows } = await tx.query<StockRow>({
    name: 'import_lock',
    text: `
      SELECT ${STOCK_COLUMNS}
      FROM unnest($1::text[], $2::text[]) AS k(sku, location_id) JOIN stock s ON s.sku = k.sku AND s.location_id = k.location_id
      ORDER BY s.sku, s.location_id
      FOR NO KEY UPDATE OF s`,
    values: [skus, locationIds],
  });
  return rows.map(levelOf);
}

/** Adds their lots to the rows that name one. */
async function openLots(tx: Sql, opened: readonly Sound[], errors: RowError[]): Promise<Sound[]> {
  const ofLots = opened.filter(({ row }) => row.lotId !== '');
  const named = ofLots.map(({ row }) => ({
    sku: row.sku,
    locationId: row.locationId,
    lotId: row.lotId,
    expireTime: instantOf(row.lotExpireTime, 'rows.lot_expire_time'),
  }));
  const lots = await claimLots(tx, named, 'LOT_REQUIRED');
  const withLot = ofLots.flatMap((sound, index) => {
    const lot = lots[index];
    if (lot === undefined || 'reason' in lot) {
      errors.push({ line: sound.line, ...(lot ?? { reason: 'LOT_REQUIRED', message: 'the lot is missing' }) });
      return [];
    }
    return [{ ...sound, lot }];
  });
  return [...opened.filter(({ row }) => row.lotId === ''), ...withLot];
}

/** What a row of no lot changes. */
type Change = { readonly level: Level; readonly fresh: boolean; readonly onHand: bigint; readonly safety: bigint };

function changeOf({ row, level, fresh }: Sound): Change {
  return { level, fresh, onHand: row.onHand - level.onHand, safety: row.safety - level.safety };
}

function isChange({ onHand, safety }: Change): boolean {
  return onHand !== 0n || safety !== 0n;
}

/** Safety is of the level: the first of its rows books it. */
function lotPostings(rows: readonly Sound[]) {
  const safetyBooked = new Set<string>();
  return rows.flatMap(({ row, level, lot }) => {
    if (lot === undefined) {
      return [];
    }
    const key = levelKey(row);
    const safety = safetyBooked.has(key) ? 0n : row.safety - level.safety;
    safetyBooked.add(key);
    const onHand = row.onHand - lot.onHand;
    return onHand === 0n && safety === 0n
      ? []
      : [{ sku: row.sku, locationId: row.locationId, lotId: lot.lotId, onHand, safety }];
  });
}

/** Books rows of no lot: `post`, for many levels that each come once. Fresh levels hold already what they are to hold. */
async function book(tx: Sql, changes: readonly Change[], { reason, source, actor }: Occasion): Promise<void> {
  if (changes.length === 0) {
    return;
  }
  const { rows } = await tx.query<StockRow>({
    name: 'import_book',
    text: `
      WITH change AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[])
          AS c(sku, location_id, on_hand, on_hand_after, safety, fresh)
      ), booked AS (
        INSERT INTO ledger_entries (sku, location_id, on_hand_delta, on_hand_after, safety_delta, reason, source, actor)
        SELECT sku, location_id, on_hand, on_hand_after, safety, $7, $8, $9 FROM change
      )
      UPDATE stock s SET on_hand = s.on_hand + c.on_hand, safety = s.safety + c.safety, update_time = now()
      FROM change c WHERE NOT c.fresh AND s.sku = c.sku AND s.location_id = c.location_id
      RETURNING ${STOCK_COLUMNS}`,
    values: [
      changes.map(({ level }) => level.sku),
      changes.map(({ level }) => level.locationId),
      changes.map(({ onHand }) => onHand),
      changes.map(({ level, onHand }) => level.onHand + onHand),
      changes.map(({ safety }) => safety),
      changes.map(({ fresh }) => fresh),
      reason,
      source,
      actor,
    ],
  });
  await fillBackorders(tx, rows.map(levelOf));
  await append(
    tx,
    changes.map(({ level }) => stockChange(level)),
  );
}
