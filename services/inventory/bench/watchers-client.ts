/**
 * The clients of watchers.ts, in a process of its own: so many streams of stock levels, each of some items, and when each change was
 * received. A change is known by the units on hand after it, which only grow.
 */

import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';

/** What to open. */
export type ClientOptions = {
  readonly address: string;
  /** The items of each stream. */
  readonly streams: readonly (readonly string[])[];
};

/** What was received, by which stream, and when. */
export type Receipt = { readonly stream: number; readonly sku: string; readonly onHand: number; readonly atMs: number };

/** Streams on one connection: less than a server bears. */
const STREAMS_MAX = 250;

process.once('disconnect', () => process.exit());
process.once('message', (options: ClientOptions) => void run(options));

async function run({ address, streams }: ClientOptions): Promise<void> {
  let receipts: Receipt[] = [];
  process.on('message', (asked) => {
    if (asked === 'take') {
      process.send?.(receipts);
      receipts = [];
    }
  });
  const listed: Promise<void>[] = [];
  for (let first = 0; first < streams.length; first += STREAMS_MAX) {
    const client = createClient(StockService, createGrpcTransport({ baseUrl: `http://${address}` }));
    for (const [index, skus] of streams.slice(first, first + STREAMS_MAX).entries()) {
      const ready = Promise.withResolvers<void>();
      listed.push(ready.promise);
      void (async () => {
        const headers = { 'x-forwarded-client-cert': 'URI=spiffe://weft.local/shipping' };
        let isListing = true;
        for await (const { event } of client.watchStockLevels({ skus: [...skus] }, { headers })) {
          if (event.case === 'changed' && !isListing) {
            receipts.push({
              stream: first + index,
              sku: event.value.sku,
              onHand: Number(event.value.onHand),
              atMs: performance.timeOrigin + performance.now(),
            });
          } else if (event.case === 'bookmark') {
            isListing = false;
            ready.resolve();
          }
        }
      })().catch((error: unknown) => {
        process.stderr.write(`a stream ended: ${String(error)}\n`);
        process.exit(1);
      });
    }
  }
  await Promise.all(listed);
  process.send?.('listed');
}
