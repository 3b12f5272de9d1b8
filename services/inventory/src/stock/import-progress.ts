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

/** A skipped chunk as `stock_imports.errors` keeps it: its first line, how many rows it has, and what was told: line, reason, message. */
type Skipped = readonly [firstLine: number, rows: number, errors: readonly (readonly [number, string, string])[]];

/** The columns of `stock_imports`. */
type ImportRow = {
  readonly request_id: string;
  readonly next_line: bigint;
  readonly changed_count: bigint;
  readonly unchanged_count: bigint;
  readonly skipped_count: bigint;
  readonly errors: readonly Skipped[];
  readonly create_time: Date;
  readonly update_time: Date;
  readonly complete_time: Date | null;
};

/** Notes a chunk that is applied by this transaction. */
export async function noteApplied(
  tx: Sql,
  principal: string,
  chunk: ImportStockRequest,
  { changed, unchanged }: ChunkResult,
): Promise<void> {
  await note(tx, principal, chunk, { changed, unchanged, skipped: 0 }, []);
}

/** Notes a chunk that was refused. Of many errors the first are kept. */
export async function noteRefused(
  tx: Sql,
  principal: string,
  chunk: ImportStockRequest,
  errors: readonly RowError[],
): Promise<void> {
  const told = errors.map(({ line, reason, message }) => [Number(line), reason, message] as const);
  await note(tx, principal, chunk, { changed: 0, unchanged: 0, skipped: chunk.rows.length }, told);
}

type Counts = { readonly changed: number; readonly unchanged: number; readonly skipped: number };

async function note(
  tx: Sql,
  principal: string,
  { requestId, firstLine, rows }: ImportStockRequest,
  { changed, unchanged, skipped }: Counts,
  errors: Skipped[2],
): Promise<void> {
  // The row is locked first, so that two streams of one import note one after the other.
  const noted = await tx.query<{ skipped_chunks: readonly Skipped[] | null }>({
    name: 'import_note',
    text: `
      INSERT INTO stock_imports AS i (principal, request_id, next_line, changed_count, unchanged_count, skipped_count)
      VALUES ($1, $2, $3, $4, $5, $6)
      ON CONFLICT (principal, request_id) DO UPDATE SET
        next_line = greatest(i.next_line, excluded.next_line),
        changed_count = i.changed_count + excluded.changed_count,
        unchanged_count = i.unchanged_count + excluded.unchanged_count,
        skipped_count = i.skipped_count + excluded.skipped_count,
        update_time = now(), complete_time = NULL
      RETURNING nullif(errors, '[]') AS skipped_chunks`,
    values: [principal, requestId, firstLine + BigInt(rows.length), changed, unchanged, skipped],
  });
  const before = noted.rows[0]?.skipped_chunks ?? [];
  const others = before.filter(([line]) => BigInt(line) !== firstLine);
  const again = before.find(([line]) => BigInt(line) === firstLine)?.[1] ?? 0;
  const room = MAX_ERRORS - others.reduce((sum, [, , told]) => sum + told.length, 0);
  const kept: Skipped[] =
    errors.length === 0 || room <= 0 ? others : [...others, [Number(firstLine), rows.length, errors.slice(0, room)]];
  if (again === 0 && kept.length === before.length) {
    return;
  }
  await tx.query({
    name: 'import_note_errors',
    text: 'UPDATE stock_imports SET errors = $3, skipped_count = skipped_count - $4 WHERE principal = $1 AND request_id = $2',
    values: [principal, requestId, JSON.stringify(kept), again],
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
    text: 'SELECT * FROM stock_imports WHERE principal = $1 AND request_id = $2',
    values: [principal, requestId],
  });
  const [row] = rows;
  if (row === undefined) {
    throw fail('IMPORT_NOT_FOUND', undefined, { request_id: requestId });
  }
  const errors = [...row.errors].sort(([a], [b]) => a - b).flatMap(([, , told]) => told);
  return create(StockImportSchema, {
    requestId: row.request_id,
    nextLine: row.next_line,
    changedCount: row.changed_count,
    unchangedCount: row.unchanged_count,
    skippedCount: row.skipped_count,
    errors: errors.map(([line, reason, message]) => ({ line: BigInt(line), reason, message })),
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
    ...(row.complete_time === null ? {} : { completeTime: timestampFromDate(row.complete_time) }),
  });
}

/** Forgets imports of which nothing was heard for two days. */
export async function purgeImports(pool: Pool): Promise<void> {
  await query(pool, 'DELETE FROM stock_imports WHERE update_time < now() - make_interval(hours => $1)', [KEEP_HOURS]);
}
