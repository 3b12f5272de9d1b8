/**
 * ImportPrices: a stream of chunks, each applied whole or not at all, and not twice however often the import is repeated.
 */

import { create } from '@bufbuild/protobuf';
import {
  type ImportPricesRequest,
  ImportPricesRequestSchema,
  type ImportPricesResponse,
  ImportPricesResponseSchema,
  PriceService,
} from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { once } from '@weft/runtime/data/idempotency';
import { transaction } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import type { Pool } from 'pg';
import { checkPrices } from './check.ts';
import { writePrices } from './write.ts';

/** Errors that are told; more are only counted. */
const ERRORS_MAX = 1_000;

/**
 * Applies the chunks in order and sums up how they went. An import without any chunk changes nothing.
 *
 * @throws IMPORT_CHUNK_INVALID, REQUEST_ID_REUSED; chunks before the one at fault stay applied.
 */
export async function importPrices(
  pool: Pool,
  chunks: AsyncIterable<ImportPricesRequest>,
): Promise<ImportPricesResponse> {
  const sum = create(ImportPricesResponseSchema);
  let requestId: string | undefined;
  let nextLine = 1n;
  for await (const chunk of chunks) {
    if (requestId !== undefined && chunk.requestId !== requestId) {
      throw fail('IMPORT_CHUNK_INVALID', 'Every chunk of an import has the same request_id.');
    }
    if (chunk.firstLine < nextLine) {
      throw fail('IMPORT_CHUNK_INVALID', `The chunk begins at line ${chunk.firstLine}; line ${nextLine} comes next.`);
    }
    requestId = chunk.requestId;
    nextLine = chunk.firstLine + BigInt(chunk.rows.length);
    const part = await importChunk(pool, chunk);
    sum.changedCount += part.changedCount;
    sum.unchangedCount += part.unchangedCount;
    sum.skippedCount += part.skippedCount;
    sum.errors.push(...part.errors.slice(0, ERRORS_MAX - sum.errors.length));
  }
  return sum;
}

/** Applies a chunk unless it was applied before. One that is skipped leaves no key behind, so that it can be sent mended. */
async function importChunk(pool: Pool, chunk: ImportPricesRequest): Promise<ImportPricesResponse> {
  const { rows, problems } = checkPrices(chunk.rows);
  if (problems.length > 0) {
    return create(ImportPricesResponseSchema, {
      skippedCount: BigInt(chunk.rows.length),
      errors: problems.map(({ index, reason, message }) => ({
        line: chunk.firstLine + BigInt(index),
        reason,
        message,
      })),
    });
  }
  const key = {
    rpc: `${PriceService.typeName}/ImportPrices#${chunk.firstLine}`,
    requestId: chunk.requestId,
    requestSchema: ImportPricesRequestSchema,
    request: chunk,
    responseSchema: ImportPricesResponseSchema,
  };
  return await transaction(pool, (tx) =>
    once(tx, key, async () => {
      const changed = await writePrices(tx, rows);
      return create(ImportPricesResponseSchema, {
        changedCount: BigInt(changed),
        unchangedCount: BigInt(chunk.rows.length - changed),
      });
    }),
  );
}
