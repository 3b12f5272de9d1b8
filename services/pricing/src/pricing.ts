/**
 * Pricing as a whole: its services on one database, and the background work that belongs to them.
 */

import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { QuoteService } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { TaxService } from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import type { Address } from '@weft/runtime/address';
import { connect } from '@weft/runtime/client/connect';
import { Changefeed } from '@weft/runtime/data/changefeed';
import { every, purging, type Running } from '@weft/runtime/data/jobs';
import { openPool } from '@weft/runtime/data/pool';
import { type Implementation, implement } from '@weft/runtime/server/implement';
import { openDatabase } from './database.ts';
import { followItems } from './items/copy.ts';
import { priceService } from './prices/service.ts';
import { tellTimedChanges } from './prices/watch.ts';
import { quoteService } from './quotes/service.ts';
import { taxService } from './taxes/service.ts';

/** How often prices that begin or end by themselves are looked for, in milliseconds. */
const TIMED_CHANGES_MS = 1_000;

/** Pricing, running. */
export type Pricing = {
  readonly services: readonly Implementation[];
  /** Stops the background work and closes the pool. */
  close(): Promise<void>;
};

/**
 * Opens pricing. A database or an inventory that is away is waited for in the background.
 *
 * @param options.egress where inventory is reached.
 */
export function openPricing(options: { readonly databaseUrl: string; readonly egress: Address | string }): Pricing {
  const pool = openPool({ databaseUrl: options.databaseUrl, workload: 'pricing' });
  const database = openDatabase(pool);
  const items = connect(ItemService, { egress: options.egress, policy: policies });
  const feed = new Changefeed({ pool, databaseUrl: options.databaseUrl });
  feed.start();
  const background: readonly Running[] = [
    feed,
    followItems(pool, items),
    every(TIMED_CHANGES_MS, 'telling timed price changes', () => tellTimedChanges(pool)),
    purging(pool),
  ];
  return {
    services: [
      implement(PriceService, priceService(pool, feed)),
      implement(TaxService, taxService(database)),
      implement(QuoteService, quoteService(pool, items)),
    ],
    async close() {
      await Promise.all(background.map((running) => running.stop()));
      await database.prisma.$disconnect();
      await pool.end();
    },
  };
}
