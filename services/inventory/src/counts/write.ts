/**
 * Opens, fills and approves counts. Each is part of a transaction that `tx` names.
 */

import type {
  ApproveCountRequest,
  Count,
  CountedLine,
  CreateCountRequest,
  SubmitCountRequest,
} from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { CountState } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { instantOf } from '../instants.ts';
import { itemNotFound, kitHasNoStock } from '../items/item.ts';
import { locationNotFound } from '../locations/location.ts';
import { checkBounds } from '../stock/booking.ts';
import { post } from '../stock/ledger.ts';
import type { Level } from '../stock/level.ts';
import { lockStock } from '../stock/lock.ts';
import { checkLotNamed, knowLotsAt, type Lot, lotKey } from '../stock/lots.ts';
import { ensureStock, type HeldItem, holdItems, holdItemsEvenDeleted, holdLocations } from '../stock/references.ts';
import { unitsFree, unitsIn } from '../stock/states.ts';
import { COUNT_COLUMNS, type CountRow, countMessage, countNotFound, readCount } from './count.ts';
import { type Line, reckon } from './expected.ts';

/** Lines of a count, at most, so that it can be sent and approved. */
const MAX_LINES = 2_000;

/** @throws ITEM_NOT_FOUND, LOCATION_NOT_FOUND, KIT_HAS_NO_STOCK */
export async function createCount(tx: Sql, { locationId, skus, reference }: CreateCountRequest): Promise<Count> {
  const items = await holdItems(tx, skus);
  const missing = skus.find((sku) => !items.has(sku));
  if (missing !== undefined) {
    throw itemNotFound(missing);
  }
  // A location that is deactivated is counted like any other: its stock must be right to be cleared.
  if (!(await holdLocations(tx, [locationId])).has(locationId)) {
    throw locationNotFound(locationId);
  }
  const kit = skus.find((sku) => items.get(sku)?.isKit);
  if (kit !== undefined) {
    throw kitHasNoStock(kit);
  }
  const { rows } = await tx.query<CountRow>({
    name: 'count_create',
    text: `
      INSERT INTO counts AS c (state, location_id, skus, reference) VALUES ($1, $2, $3, $4)
      RETURNING ${COUNT_COLUMNS}`,
    values: [CountState.OPEN, locationId, skus.toSorted(), reference],
  });
  const [row] = rows;
  if (row === undefined) {
    throw new Error('a count that was inserted is not there');
  }
  return countMessage(row);
}

/**
 * @throws COUNT_NOT_FOUND, COUNT_STATE, INVALID_FIELD, COUNT_LINE_INVALID, KIT_HAS_NO_STOCK, LOT_REQUIRED, LOT_UNEXPECTED, LOT_NOT_FOUND
 */
export async function submitCount(
  tx: Sql,
  { countId, lines: counted }: SubmitCountRequest,
  actor: string,
): Promise<Count> {
  const times = counted.map(({ countTime }, index) => instantOf(countTime, `lines[${index}].count_time`));
  const { count, items } = await open(tx, countId);
  checkLines(count, items, counted, times);
  const skus = [...new Set(counted.map(({ sku }) => sku))];
  await lockAt(tx, count.location_id, skus);
  await knowLotsAt(tx, count.location_id, counted);
  const { rows } = await tx.query<{ lines: bigint }>({
    name: 'count_submit',
    text: `
      WITH line AS (
        INSERT INTO count_lines (count_id, sku, lot_id, expected_quantity, counted_quantity, count_time, actor)
        SELECT $1, n.sku, n.lot_id, 0, n.quantity, coalesce(n.time, now()), $6
        FROM unnest($2::text[], $3::text[], $4::bigint[], $5::timestamptz[]) AS n(sku, lot_id, quantity, time)
        ON CONFLICT (count_id, sku, lot_id) DO UPDATE
        SET counted_quantity = excluded.counted_quantity, count_time = excluded.count_time, actor = excluded.actor
        RETURNING sku, lot_id
      ), submitted AS (
        UPDATE counts SET state = $7, update_time = now() WHERE count_id = $1
      )
      SELECT count(*) AS lines FROM (
        SELECT sku, lot_id FROM line UNION SELECT sku, lot_id FROM count_lines WHERE count_id = $1) l`,
    values: [
      countId,
      counted.map(({ sku }) => sku),
      counted.map(({ lotId }) => lotId),
      counted.map(({ countedQuantity }) => countedQuantity),
      times.map((time) => time ?? null),
      actor,
      CountState.SUBMITTED,
    ],
  });
  if ((rows[0]?.lines ?? 0n) > MAX_LINES) {
    throw fail('COUNT_LINE_INVALID', `a count has at most ${MAX_LINES} lines`, { count_id: countId });
  }
  await reckon(tx, countId, skus);
  return readCount(tx, countId);
}

/**
 * Books what was counted beyond what was expected, or less.
 *
 * How an item's stock is kept, by lot or not or, as that of a kit, not at all, changes only while there is none (items/write.ts). So a line
 * from before such a change says nothing about what has come since: it is dropped, and the others are booked. An item that is deleted
 * is booked like any other: its units lie there, and it may be undeleted.
 *
 * @throws COUNT_NOT_FOUND, COUNT_STATE, INSUFFICIENT_STOCK, QUANTITY_OUT_OF_RANGE
 */
export async function approveCount(tx: Sql, { countId }: ApproveCountRequest, actor: string): Promise<Count> {
  const { count, items } = await open(tx, countId);
  if (count.state !== CountState.SUBMITTED) {
    throw countState(count, 'nothing has been submitted');
  }
  const skus = await dropLines(tx, countId, items);
  const levels = await lockAt(tx, count.location_id, skus);
  const lines = (await reckon(tx, countId, skus)).filter(({ difference }) => difference !== 0n);
  const lots = await knowLotsAt(tx, count.location_id, lines);
  checkBooking(lines, levels, lots);
  const postings = lines.map(({ sku, lotId, difference }) => ({
    sku,
    locationId: count.location_id,
    lotId,
    onHand: difference,
  }));
  await post(tx, postings, { reason: StockReason.COUNTED, source: countId, actor });
  await tx.query({
    name: 'count_approve',
    text: 'UPDATE counts SET state = $2, update_time = now(), approve_time = now() WHERE count_id = $1',
    values: [countId, CountState.APPROVED],
  });
  return readCount(tx, countId);
}

/** A count that is locked, with the time by the database's clock. */
type Opened = { readonly count: CountRow & { readonly now: Date }; readonly items: ReadonlyMap<string, HeldItem> };

/**
 * Locks a count that is not approved, and holds what it is of. Its items and its location never change, so they are read before and held
 * first, as the order of locks wants it. Nobody deletes the location while the count is open.
 *
 * @throws COUNT_NOT_FOUND, COUNT_STATE
 */
async function open(tx: Sql, countId: string): Promise<Opened> {
  const seen = await selectCount(tx, countId, '');
  const items = await holdItemsEvenDeleted(tx, seen.skus);
  await holdLocations(tx, [seen.location_id]);
  const count = await selectCount(tx, countId, 'FOR NO KEY UPDATE');
  if (count.state === CountState.APPROVED) {
    throw countState(count, 'it is approved');
  }
  return { count, items };
}

async function selectCount(tx: Sql, countId: string, lock: '' | 'FOR NO KEY UPDATE') {
  const { rows } = await tx.query<CountRow & { now: Date }>({
    name: lock === '' ? 'count_select' : 'count_lock',
    text: `SELECT ${COUNT_COLUMNS}, now() AS now FROM counts c WHERE c.count_id = $1 ${lock}`,
    values: [countId],
  });
  const [row] = rows;
  if (row === undefined) {
    throw countNotFound(countId);
  }
  return row;
}

function countState({ count_id: countId, state }: CountRow, why: string) {
  return fail('COUNT_STATE', `${why}: the count ${countId}`, { count_id: countId, state: CountState[state] ?? '' });
}

/** @throws COUNT_LINE_INVALID, KIT_HAS_NO_STOCK, LOT_REQUIRED, LOT_UNEXPECTED */
function checkLines(
  { skus, create_time: createTime, now }: Opened['count'],
  items: Opened['items'],
  counted: readonly CountedLine[],
  times: readonly (Date | undefined)[],
): void {
  const of = new Set(skus);
  const seen = new Set<string>();
  counted.forEach((line, index) => {
    const { sku, lotId } = line;
    const name = lotId === '' ? sku : `the lot ${lotId} of ${sku}`;
    const invalid = (why: string) =>
      fail('COUNT_LINE_INVALID', `${name} ${why}`, { sku, ...(lotId === '' ? {} : { lot_id: lotId }) });
    const item = items.get(sku);
    if (!of.has(sku) || item === undefined) {
      throw invalid('is not what the count is of');
    }
    if (seen.has(lotKey(line))) {
      throw invalid('comes twice');
    }
    seen.add(lotKey(line));
    const time = times[index];
    if (time !== undefined && time < createTime) {
      throw invalid(`was counted before the count was opened, which was at ${createTime.toISOString()}`);
    }
    if (time !== undefined && time > now) {
      throw invalid(`was counted in the future: it is ${now.toISOString()}`);
    }
    if (item.isKit) {
      throw kitHasNoStock(sku);
    }
    checkLotNamed(item, line);
  });
}

/** Makes the stock rows at the location and locks them; the row must be there to wait for who books the very first units. */
async function lockAt(tx: Sql, locationId: string, skus: readonly string[]): Promise<ReadonlyMap<string, Level>> {
  await ensureStock(
    tx,
    skus.map((sku) => ({ sku, locationId })),
  );
  const levels = await lockStock(tx, skus);
  return new Map(levels.filter((level) => level.locationId === locationId).map((level) => [level.sku, level]));
}

/** Drops the lines of items whose stock is kept otherwise since. Gives the SKUs of those that remain. */
async function dropLines(tx: Sql, countId: string, items: Opened['items']): Promise<string[]> {
  const kept = [...items].filter(([, { isKit }]) => !isKit);
  await tx.query({
    name: 'count_drop_lines',
    text: `
      DELETE FROM count_lines l
      WHERE l.count_id = $1 AND NOT EXISTS (
        SELECT FROM unnest($2::text[], $3::boolean[]) AS i(sku, lot_tracked)
        WHERE i.sku = l.sku AND i.lot_tracked = (l.lot_id <> ''))`,
    values: [countId, kept.map(([sku]) => sku), kept.map(([, { lotTracked }]) => lotTracked)],
  });
  const { rows } = await tx.query<{ sku: string }>({
    name: 'count_line_skus',
    text: 'SELECT DISTINCT sku FROM count_lines WHERE count_id = $1',
    values: [countId],
  });
  return rows.map(({ sku }) => sku);
}

/** @throws INSUFFICIENT_STOCK, QUANTITY_OUT_OF_RANGE */
function checkBooking(
  lines: readonly Line[],
  levels: ReadonlyMap<string, Level>,
  lots: ReadonlyMap<string, Lot>,
): void {
  const sums = new Map<string, bigint>();
  for (const { sku, lotId, difference } of lines) {
    const level = levelOf(levels, sku);
    const free = unitsFree(StockState.AVAILABLE, undefined, level, { lot: lots.get(lotKey({ sku, lotId })) });
    if (-difference > free) {
      throw insufficientStock(level, { sku, lotId, difference }, free);
    }
    sums.set(sku, (sums.get(sku) ?? 0n) + difference);
  }
  for (const [sku, sum] of sums) {
    checkBounds(levelOf(levels, sku), unitsIn(StockState.AVAILABLE, sum));
  }
}

function levelOf(levels: ReadonlyMap<string, Level>, sku: string): Level {
  const level = levels.get(sku);
  if (level === undefined) {
    throw new Error(`the stock row of ${sku} vanished under its location's lock`);
  }
  return level;
}

function insufficientStock({ locationId }: Level, { sku, lotId, difference }: Line, free: bigint) {
  const name = lotId === '' ? sku : `the lot ${lotId} of ${sku}`;
  const message = `${-difference} units of ${name} are missing at ${locationId} by the count, and ${free} are free`;
  const lot = lotId === '' ? {} : { lot_id: lotId };
  const metadata = { sku, location_id: locationId, requested: `${-difference}`, available: `${free}`, ...lot };
  return fail('INSUFFICIENT_STOCK', message, metadata);
}
