/**
 * A stock import, chunk by chunk. Each chunk is a transaction with an idempotency key of its own, made of the import's
 * request id and the chunk's first line, so that an import that broke off can be sent again whole. How far it has come is written down in
 * the same transaction. Memory holds two chunks, the one at work and the one that is read meanwhile, and the first errors, however long the
 * file is and however fast it comes: what is not read waits at the sender.
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
import { principal } from '@weft/runtime/server/caller';
import type { Pool } from 'pg';
import { applyChunk, ChunkRefused, type RowError } from './import.ts';
import { beginChunk, completeImport, MAX_ERRORS, noteApplied, noteRefused } from './import-progress.ts';

const RPC = 'weft.inventory.v1.StockService/ImportStock';

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
  for await (const chunk of ahead(chunks)) {
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
      await transaction(pool, (tx) => noteRefused(tx, principal(), chunk, error.errors));
      skipped += BigInt(chunk.rows.length);
      errors.push(...error.errors.slice(0, MAX_ERRORS - errors.length));
    }
  }
  if (requestId !== undefined) {
    await completeImport(pool, principal(), requestId);
  }
  return { changedCount: changed, unchangedCount: unchanged, skippedCount: skipped, errors };
}

/** Reads one message ahead of who works on them. */
async function* ahead<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = messages[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (let read = await next; read.done !== true; read = await next) {
      next = iterator.next();
      // It may fail while the one before is still worked on, which is when it is awaited.
      next.catch(() => {});
      yield read.value;
    }
  } finally {
    // Left early: the stream is closed, and what was read ahead is let go.
    iterator.return?.().catch(() => {});
  }
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
      await beginChunk(tx, principal(), chunk);
      const result = await applyChunk(tx, chunk, actor);
      await noteApplied(tx, principal(), chunk, result);
      return create(ImportStockResponseSchema, {
        changedCount: BigInt(result.changed),
        unchangedCount: BigInt(result.unchanged),
      });
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
