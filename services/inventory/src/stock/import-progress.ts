/**
 * How far imports have come, for those who watch one run and those who go on with one that broke off. A chunk that is dealt with
 * again counts once: what was noted of it before is taken back first.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type ImportStockRequest,
  type StockImport,
  StockImportSchema,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { query, type Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import type { Pool } from 'pg';
import type { ChunkResult, RowError } from './import.ts';

/** Errors that are told, at most. */
export const MAX_ERRORS = 1_000;

/** Imports are forgotten this long after their last chunk, in hours: with their idempotency keys. */
const KEEP_HOURS = 48;

/** An error as it is kept. */
type Told = readonly [line: number, reason: string, message: string];

/** The columns of `stock_imports`, and what its refusals tell. */
type ImportRow = {
  readonly request_id: string;
  readonly next_line: bigint;
  readonly changed_count: bigint;
  readonly unchanged_count: bigint;
  readonly skipped_count: bigint;
  readonly errors: readonly Told[];
  readonly create_time: Date;
  readonly update_time: Date;
  readonly complete_time: Date | null;
};

/** Notes a chunk that is applied by this transaction. */
export async function noteApplied(
  tx: Sql,
  principal: string,
  chunk: ImportStockRequest,
  result: ChunkResult,
): Promise<void> {
  const before = await noteChunk(tx, principal, chunk, result);
  if (before.skippedCount > 0n) {
    await forgetRefusal(tx, principal, chunk);
  }
}

/** Notes a chunk that was refused. Of many errors the first are kept. */
export async function noteRefused(
  tx: Sql,
  principal: string,
  chunk: ImportStockRequest,
  errors: readonly RowError[],
): Promise<void> {
  await noteChunk(tx, principal, chunk, { changed: 0, unchanged: 0 });
  const room = MAX_ERRORS - (await forgetRefusal(tx, principal, chunk));
  const told = errors.slice(0, room).map(({ line, reason, message }): Told => [Number(line), reason, message]);
  await tx.query({
    name: 'import_refuse',
    text: `
      WITH refusal AS (
        INSERT INTO stock_import_refusals (principal, request_id, first_line, row_count, errors)
        VALUES ($1, $2, $3, $4, $5)
      )
      UPDATE stock_imports SET skipped_count = skipped_count + $4::integer, error_count = error_count + $6::integer
      WHERE principal = $1 AND request_id = $2`,
    values: [principal, chunk.requestId, chunk.firstLine, chunk.rows.length, JSON.stringify(told), told.length],
  });
}

/**
 * Notes that a chunk was dealt with. It locks the import's row, so that two streams of one import note one after the other.
 *
 * @returns how many rows count as skipped, this chunk's among them if it was refused before.
 */
async function noteChunk(
  tx: Sql,
  principal: string,
  { requestId, firstLine, rows }: ImportStockRequest,
  { changed, unchanged }: ChunkResult,
): Promise<{ skippedCount: bigint }> {
  const noted = await tx.query<{ skipped_count: bigint }>({
    name: 'import_note',
    text: `
      INSERT INTO stock_imports AS i (principal, request_id, next_line, changed_count, unchanged_count)
      VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (principal, request_id) DO UPDATE SET
        next_line = greatest(i.next_line, excluded.next_line),
        changed_count = i.changed_count + excluded.changed_count,
        unchanged_count = i.unchanged_count + excluded.unchanged_count,
        update_time = now(), complete_time = NULL
      RETURNING skipped_count`,
    values: [principal, requestId, firstLine + BigInt(rows.length), changed, unchanged],
  });
  return { skippedCount: noted.rows[0]?.skipped_count ?? 0n };
}

/**
 * Takes back what was noted of a chunk that was refused before, if it was. The import's row must be locked.
 *
 * @returns how many errors of other chunks are told.
 */
async function forgetRefusal(
  tx: Sql,
  principal: string,
  { requestId, firstLine }: ImportStockRequest,
): Promise<number> {
  const { rows } = await tx.query<{ error_count: number }>({
    name: 'import_forget',
    text: `
      WITH refusal AS (
        DELETE FROM stock_import_refusals WHERE principal = $1 AND request_id = $2 AND first_line = $3
        RETURNING row_count, jsonb_array_length(errors) AS error_count
      )
      UPDATE stock_imports i SET
        skipped_count = i.skipped_count - coalesce((SELECT row_count FROM refusal), 0),
        error_count = i.error_count - coalesce((SELECT error_count FROM refusal), 0)
      WHERE principal = $1 AND request_id = $2
      RETURNING i.error_count`,
    values: [principal, requestId, firstLine],
  });
  return rows[0]?.error_count ?? 0;
}

/** Notes that the import's stream ended whole. */
export async function completeImport(pool: Pool, principal: string, requestId: string): Promise<void> {
  await query(
    pool,
    `UPDATE stock_imports SET complete_time = now()
     WHERE principal = $1 AND request_id = $2 AND complete_time IS NULL`,
    [principal, requestId],
  );
}

/** @throws IMPORT_NOT_FOUND, also for who did not begin it. */
export async function readImport(db: Sql, principal: string, requestId: string): Promise<StockImport> {
  const { rows } = await db.query<ImportRow>({
    name: 'import_read',
    text: `
      SELECT i.*, coalesce((
        SELECT jsonb_agg(e.error ORDER BY r.first_line, e.number)
        FROM stock_import_refusals r, jsonb_array_elements(r.errors) WITH ORDINALITY AS e(error, number)
        WHERE r.principal = i.principal AND r.request_id = i.request_id), '[]') AS errors
      FROM stock_imports i WHERE i.principal = $1 AND i.request_id = $2`,
    values: [principal, requestId],
  });
  const [row] = rows;
  if (row === undefined) {
    throw fail('IMPORT_NOT_FOUND', undefined, { request_id: requestId });
  }
  return create(StockImportSchema, {
    requestId: row.request_id,
    nextLine: row.next_line,
    changedCount: row.changed_count,
    unchangedCount: row.unchanged_count,
    skippedCount: row.skipped_count,
    errors: row.errors.map(([line, reason, message]) => ({ line: BigInt(line), reason, message })),
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
    ...(row.complete_time === null ? {} : { completeTime: timestampFromDate(row.complete_time) }),
  });
}

/** Forgets imports of which nothing was heard for two days. */
export async function purgeImports(pool: Pool): Promise<void> {
  await query(pool, 'DELETE FROM stock_imports WHERE update_time < now() - make_interval(hours => $1)', [KEEP_HOURS]);
}
