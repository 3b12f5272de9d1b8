/**
 * Counts as rows of the database and as messages of the contract, and how they are read.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Count, CountSchema, CountState } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';

type CountRow = {
  readonly count_id: string;
  readonly state: CountState;
  readonly location_id: string;
  readonly skus: readonly string[];
  readonly reference: string;
  readonly create_time: Date;
  readonly update_time: Date;
  readonly approve_time: Date | null;
};

type LineRow = {
  readonly sku: string;
  readonly lot_id: string;
  readonly expected_quantity: bigint;
  readonly counted_quantity: bigint;
  readonly count_time: Date;
  readonly actor: string;
};

const COUNT_COLUMNS = 'count_id, state, location_id, skus, reference, create_time, update_time, approve_time';

/**
 * Reads one count with its lines.
 *
 * @throws COUNT_NOT_FOUND
 */
export async function readCount(db: Sql, countId: string): Promise<Count> {
  const { rows } = await db.query<CountRow>({
    name: 'count_read',
    text: `SELECT ${COUNT_COLUMNS} FROM counts WHERE count_id = $1`,
    values: [countId],
  });
  const [row] = rows;
  if (row === undefined) {
    throw fail('COUNT_NOT_FOUND', undefined, { count_id: countId });
  }
  const lines = await db.query<LineRow>({
    name: 'count_lines_read',
    text: `
      SELECT sku, lot_id, expected_quantity, counted_quantity, count_time, actor
      FROM count_lines WHERE count_id = $1 ORDER BY sku, lot_id`,
    values: [countId],
  });
  return countOf(row, lines.rows);
}

/** Reads one count that stays as it is until the transaction ends. Taken after items and locations, before stock rows. */
export async function lockCount(tx: Sql, countId: string): Promise<Count> {
  await tx.query({
    name: 'count_lock',
    text: 'SELECT FROM counts WHERE count_id = $1 FOR UPDATE',
    values: [countId],
  });
  // A statement of its own, so that it sees the lines as who held the lock before left them.
  return readCount(tx, countId);
}

/** Which counts are listed. */
export type CountQuery = {
  readonly state: CountState;
  /** Empty for all. */
  readonly locationId: string;
  /** Only those with a smaller id. */
  readonly before: string;
  readonly limit: number;
};

/** Reads a page of counts, without lines, newest first: ids grow with time. */
export async function listCounts(db: Sql, { state, locationId, before, limit }: CountQuery): Promise<Count[]> {
  const conditions = ['count_id < $1'];
  const values: unknown[] = [before, limit];
  if (state !== CountState.UNSPECIFIED) {
    conditions.push(`state = $${values.push(state)}::smallint`);
  }
  if (locationId !== '') {
    conditions.push(`location_id = $${values.push(locationId)}`);
  }
  const { rows } = await db.query<CountRow>({
    text: `SELECT ${COUNT_COLUMNS} FROM counts WHERE ${conditions.join(' AND ')} ORDER BY count_id DESC LIMIT $2`,
    values,
  });
  return rows.map((row) => countOf(row, []));
}

function countOf(row: CountRow, lines: readonly LineRow[]): Count {
  return create(CountSchema, {
    countId: row.count_id,
    state: row.state,
    locationId: row.location_id,
    skus: [...row.skus],
    lines: lines.map((line) => ({
      sku: line.sku,
      lotId: line.lot_id,
      expectedQuantity: line.expected_quantity,
      countedQuantity: line.counted_quantity,
      difference: line.counted_quantity - line.expected_quantity,
      countTime: timestampFromDate(line.count_time),
      actor: line.actor,
    })),
    reference: row.reference,
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
    ...(row.approve_time === null ? {} : { approveTime: timestampFromDate(row.approve_time) }),
  });
}

/** @throws COUNT_STATE unless the count is in one of these states. */
export function checkCountState({ countId, state }: Count, allowed: readonly CountState[]): void {
  if (!allowed.includes(state)) {
    const name = CountState[state];
    throw fail('COUNT_STATE', `the count is ${name.toLowerCase()}`, { count_id: countId, state: name });
  }
}
