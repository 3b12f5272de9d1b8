/**
 * For the tests of imports: rows, and chunks of them as a stream.
 */

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ImportStockRequestSchema } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { TestInventory } from './harness.ts';

export type Chunk = MessageInitShape<typeof ImportStockRequestSchema>;

/** Imports chunks, in a stream that ends with the last. */
export function importInto({ stock }: TestInventory, chunks: readonly Chunk[]) {
  return stock.importStock(
    (async function* () {
      yield* chunks;
    })(),
  );
}

/** A row of no lot. */
export function row(sku: string, onHand: number, safety = 0, locationId = 'north') {
  return { sku, locationId, onHand: BigInt(onHand), safety: BigInt(safety) };
}
