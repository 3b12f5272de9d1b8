/**
 * The clients of watchers.ts, in a process of its own: so many streams of stock levels or of availability, each of some items, and when each
 * change was received. A change is known by the units there are after it, which only grow.
 */

import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { connect } from '@weft/runtime/client/connect';

/** What to open. */
export type ClientOptions = {
  readonly address: string;
  readonly stream: 'levels' | 'availability';
  /** The items of each stream. */
  readonly streams: readonly (readonly string[])[];
};

/** What was received, by which stream, and when. */
export type Receipt = { readonly stream: number; readonly sku: string; readonly onHand: number; readonly atMs: number };

/** Streams on one connection: less than a server bears. */
const STREAMS_MAX = 250;

process.once('disconnect', () => process.exit());
process.once('message', (options: ClientOptions) => void run(options));

async function run({ address, stream, streams }: ClientOptions): Promise<void> {
  let receipts: Receipt[] = [];
  process.on('message', (asked) => {
    if (asked === 'take') {
      process.send?.(receipts);
      receipts = [];
    }
  });
  const listed: Promise<void>[] = [];
  for (let first = 0; first < streams.length; first += STREAMS_MAX) {
    const to = { egress: address, policy: policies };
    const [levels, availability] = [connect(StockService, to), connect(AvailabilityService, to)];
    for (const [index, skus] of streams.slice(first, first + STREAMS_MAX).entries()) {
      const ready = Promise.withResolvers<void>();
      listed.push(ready.promise);
      void (async () => {
        let isListing = true;
        const request = { skus: [...skus] };
        const messages =
          stream === 'levels' ? levels.watchStockLevels(request) : availability.watchAvailability(request);
        for await (const { event } of messages) {
          if (event.case === 'changed' && !isListing) {
            receipts.push({
              stream: first + index,
              sku: event.value.sku,
              onHand: 'onHand' in event.value ? Number(event.value.onHand) : event.value.sellableQuantity,
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
