/**
 * A stock import, chunk by chunk. Each chunk is a transaction with an idempotency key of its own, made of the import's
 * request id and the chunk's first line, so that an import that broke off can be sent again whole. Memory holds one chunk and
 * the first errors, however long the file is.
 */

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type ImportStockRequest,
  ImportStockRequestSchema,
  ImportStockResponseSchema,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { once } from '@weft/runtime/data/idempotency';
import { transaction } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import type { Pool } from 'pg';
import { applyChunk, ChunkRefused, type RowError } from './import.ts';

const RPC = 'weft.inventory.v1.StockService/ImportStock';

/** Errors that are told, at most. */
const MAX_ERRORS = 1_000;

/**
 * Applies an import. One without any chunk changes nothing.
 *
 * @throws IMPORT_CHUNK_INVALID, REQUEST_ID_REUSED; chunks before the one at fault stay applied.
 */
export async function importStock(
  pool: Pool,
  chunks: AsyncIterable<ImportStockRequest>,
  actor: string,
): Promise<MessageInitShape<typeof ImportStockResponseSchema>> {
  const errors: RowError[] = [];
  let [changed, unchanged, skipped] = [0n, 0n, 0n];
  let requestId: string | undefined;
  let nextLine = 1n;
  for await (const chunk of chunks) {
    requestId ??= chunk.requestId;
    checkOrder(chunk, requestId, nextLine);
    nextLine = chunk.firstLine + BigInt(chunk.rows.length);
    try {
      const result = await applyOnce(pool, chunk, actor);
      changed += result.changedCount;
      unchanged += result.unchangedCount;
    } catch (error) {
      if (!(error instanceof ChunkRefused)) {
        throw error;
      }
      skipped += BigInt(chunk.rows.length);
      errors.push(...error.errors.slice(0, MAX_ERRORS - errors.length));
    }
  }
  return { changedCount: changed, unchangedCount: unchanged, skippedCount: skipped, errors };
}

/** Applies a chunk unless it was applied before. A chunk that is refused leaves no key behind. */
function applyOnce(pool: Pool, chunk: ImportStockRequest, actor: string) {
  const key = {
    rpc: `${RPC}#${chunk.firstLine}`,
    requestId: chunk.requestId,
    requestSchema: ImportStockRequestSchema,
    request: chunk,
    responseSchema: ImportStockResponseSchema,
  };
  return transaction(pool, (tx) =>
    once(tx, key, async () => {
      const { changed, unchanged } = await applyChunk(tx, chunk, actor);
      return create(ImportStockResponseSchema, { changedCount: BigInt(changed), unchangedCount: BigInt(unchanged) });
    }),
  );
}

/** @throws IMPORT_CHUNK_INVALID unless the chunk follows those before it. */
function checkOrder(chunk: ImportStockRequest, requestId: string, nextLine: bigint): void {
  const line = `${chunk.firstLine}`;
  if (chunk.requestId !== requestId) {
    throw fail('IMPORT_CHUNK_INVALID', `the chunk of line ${line} has another request_id than the first`, { line });
  }
  if (chunk.firstLine < nextLine) {
    const text = `the chunk of line ${line} goes back: lines up to ${nextLine - 1n} have been sent`;
    throw fail('IMPORT_CHUNK_INVALID', text, { line });
  }
}
