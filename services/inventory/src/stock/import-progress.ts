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

/** The columns of `stock_imports`, and what is told of its chunks. */
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

/**
 * Begins to deal with a chunk: locks the import's row, so that two streams of one import go one after the other, and takes back what was noted of
 * refused chunks that begin among its lines.
 *
 * @returns how many errors of other chunks are told.
 * @throws IMPORT_CHUNK_INVALID when lines of it were applied already, with another chunk.
 */
export async function beginChunk(
  tx: Sql,
  principal: string,
  { requestId, firstLine, rows }: ImportStockRequest,
): Promise<{ errorCount: number }> {
  const nextLine = firstLine + BigInt(rows.length);
  const begun = await tx.query<{ skipped_count: bigint }>({
    name: 'import_begin',
    text: `
      INSERT INTO stock_imports AS i (principal, request_id, next_line) VALUES ($1, $2, $3)
      ON CONFLICT (principal, request_id) DO UPDATE SET
        next_line = greatest(i.next_line, excluded.next_line), update_time = now(), complete_time = NULL
      RETURNING skipped_count`,
    values: [principal, requestId, nextLine],
  });
  // Those that were applied do not overlap, so it is the last of them that may.
  const applied = await tx.query<{ first_line: bigint; row_count: number }>({
    name: 'import_applied',
    text: `
      SELECT first_line, row_count FROM stock_import_chunks
      WHERE principal = $1 AND request_id = $2 AND first_line < $3 AND errors IS NULL
      ORDER BY first_line DESC LIMIT 1`,
    values: [principal, requestId, nextLine],
  });
  const [last] = applied.rows;
  const lastLine = last === undefined ? 0n : last.first_line + BigInt(last.row_count) - 1n;
  if (last !== undefined && lastLine >= firstLine) {
    const text = `lines ${last.first_line} to ${lastLine} were applied as a chunk: an import is sent again in the chunks that it came in`;
    throw fail('IMPORT_CHUNK_INVALID', text, { line: `${firstLine}` });
  }
  if (begun.rows[0]?.skipped_count === 0n) {
    return { errorCount: 0 };
  }
  const { rows: left } = await tx.query<{ error_count: number }>({
    name: 'import_mend',
    text: `
      WITH refused AS (
        DELETE FROM stock_import_chunks
        WHERE principal = $1 AND request_id = $2 AND first_line >= $3 AND first_line < $4
        RETURNING row_count, jsonb_array_length(errors) AS error_count
      ), sums AS (
        SELECT coalesce(sum(row_count), 0) AS row_count, coalesce(sum(error_count), 0)::integer AS error_count FROM refused
      )
      UPDATE stock_imports i SET skipped_count = i.skipped_count - s.row_count, error_count = i.error_count - s.error_count
      FROM sums s WHERE i.principal = $1 AND i.request_id = $2
      RETURNING i.error_count`,
    values: [principal, requestId, firstLine, nextLine],
  });
  return { errorCount: left[0]?.error_count ?? 0 };
}

/** Notes a chunk that is applied by this transaction, which has begun it. */
export async function noteApplied(
  tx: Sql,
  principal: string,
  { requestId, firstLine, rows }: ImportStockRequest,
  { changed, unchanged }: ChunkResult,
): Promise<void> {
  await tx.query({
    name: 'import_apply',
    text: `
      WITH chunk AS (
        INSERT INTO stock_import_chunks (principal, request_id, first_line, row_count) VALUES ($1, $2, $3, $4)
      )
      UPDATE stock_imports SET changed_count = changed_count + $5, unchanged_count = unchanged_count + $6
      WHERE principal = $1 AND request_id = $2`,
    values: [principal, requestId, firstLine, rows.length, changed, unchanged],
  });
}

/** Notes a chunk that was refused. Of many errors the first are kept. */
export async function noteRefused(
  tx: Sql,
  principal: string,
  chunk: ImportStockRequest,
  errors: readonly RowError[],
): Promise<void> {
  const { errorCount } = await beginChunk(tx, principal, chunk);
  const room = MAX_ERRORS - errorCount;
  const told = errors.slice(0, room).map(({ line, reason, message }): Told => [Number(line), reason, message]);
  await tx.query({
    name: 'import_refuse',
    text: `
      WITH chunk AS (
        INSERT INTO stock_import_chunks (principal, request_id, first_line, row_count, errors)
        VALUES ($1, $2, $3, $4, $5)
      )
      UPDATE stock_imports SET skipped_count = skipped_count + $4::integer, error_count = error_count + $6::integer
      WHERE principal = $1 AND request_id = $2`,
    values: [principal, chunk.requestId, chunk.firstLine, chunk.rows.length, JSON.stringify(told), told.length],
  });
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
        SELECT jsonb_agg(e.error ORDER BY c.first_line, e.number)
        FROM stock_import_chunks c, jsonb_array_elements(c.errors) WITH ORDINALITY AS e(error, number)
        WHERE c.principal = i.principal AND c.request_id = i.request_id), '[]') AS errors
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
