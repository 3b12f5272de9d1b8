/**
 * Counts as rows of the database and as messages of the contract.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type Count,
  CountSchema,
  CountState,
  type ListCountsRequest,
} from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { AFTER_EVERY_UUID } from '@weft/runtime/data/page';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';

/** A line as JSON has it: SKU, lot, expected, counted, time of counting in milliseconds since 1970, actor. */
type LineJson = readonly [string, string, string, string, number, string];

/** The columns of `counts`, with the lines where they were asked for. */
export type CountRow = {
  readonly count_id: string;
  readonly state: CountState;
  readonly location_id: string;
  readonly skus: readonly string[];
  readonly reference: string;
  readonly create_time: Date;
  readonly update_time: Date;
  readonly approve_time: Date | null;
  /** Null where there are none. */
  readonly lines?: readonly LineJson[] | null;
};

/** The columns of `counts`, of the alias `c`. */
export const COUNT_COLUMNS =
  'c.count_id, c.state, c.location_id, c.skus, c.reference, c.create_time, c.update_time, c.approve_time';

/** The count as clients see it. */
export function countMessage(row: CountRow): Count {
  return create(CountSchema, {
    countId: row.count_id,
    state: row.state,
    locationId: row.location_id,
    skus: [...row.skus],
    lines: (row.lines ?? []).map(([sku, lotId, expected, counted, countTime, actor]) => {
      const [expectedQuantity, countedQuantity] = [BigInt(expected), BigInt(counted)];
      return {
        sku,
        lotId,
        expectedQuantity,
        countedQuantity,
        difference: countedQuantity - expectedQuantity,
        countTime: timestampFromDate(new Date(countTime)),
        actor,
      };
    }),
    reference: row.reference,
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
    ...(row.approve_time === null ? {} : { approveTime: timestampFromDate(row.approve_time) }),
  });
}

/**
 * One count with its lines: one statement, so that both are of one instant.
 *
 * @throws COUNT_NOT_FOUND
 */
export async function readCount(db: Sql, countId: string): Promise<Count> {
  const { rows } = await db.query<CountRow>({
    name: 'count_read',
    text: `
      SELECT ${COUNT_COLUMNS}, (
        SELECT json_agg(json_build_array(l.sku, l.lot_id, l.expected_quantity::text, l.counted_quantity::text,
          (extract(epoch FROM l.count_time) * 1000)::bigint, l.actor) ORDER BY l.sku, l.lot_id)
        FROM count_lines l WHERE l.count_id = c.count_id) AS lines
      FROM counts c WHERE c.count_id = $1`,
    values: [countId],
  });
  const [row] = rows;
  if (row === undefined) {
    throw countNotFound(countId);
  }
  return countMessage(row);
}

/** Up to `limit` counts without their lines, newest first: ids grow with time. */
export async function listCounts(
  db: Sql,
  { state, locationId }: ListCountsRequest,
  before: string | undefined,
  limit: number,
): Promise<CountRow[]> {
  const conditions = ['c.count_id < $1'];
  const values: unknown[] = [before ?? AFTER_EVERY_UUID, limit];
  if (state !== CountState.UNSPECIFIED) {
    conditions.push(`c.state = $${values.push(state)}`);
  }
  if (locationId !== '') {
    conditions.push(`c.location_id = $${values.push(locationId)}`);
  }
  const { rows } = await db.query<CountRow>({
    text: `
      SELECT ${COUNT_COLUMNS} FROM counts c
      WHERE ${conditions.join(' AND ')} ORDER BY c.count_id DESC LIMIT $2`,
    values,
  });
  return rows;
}

/** The error for an id that has no count. */
export function countNotFound(countId: string) {
  return fail('COUNT_NOT_FOUND', `no count has the id ${countId}`, { count_id: countId });
}
