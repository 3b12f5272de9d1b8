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
import { followItems } from './items/follow.ts';
import { tellTimedChanges } from './price-book.ts';
import { priceService } from './prices/service.ts';
import { quoteService } from './quotes/service.ts';
import { purgeQuotes } from './quotes/store.ts';
import { taxService } from './taxes/service.ts';

/** Where pricing's database and inventory are, and how often the clock is looked at. */
export type PricingOptions = {
  readonly databaseUrl: string;
  /** Where inventory is reached. */
  readonly egress: Address | string;
  /** Pause between two looks for prices that begin or end by themselves, in milliseconds. Default 1,000. */
  readonly sweepIntervalMs?: number;
};

/** Pricing, ready to be served. */
export type Pricing = {
  readonly services: readonly Implementation[];
  /** Ends what runs beside the services, then the connections. */
  close(): Promise<void>;
};

const SWEEP_INTERVAL_MS = 1_000;
const PURGE_QUOTES_INTERVAL_MS = 3_600_000;

/** Opens pricing. A database or an inventory that is away is waited for in the background. */
export function openPricing({ databaseUrl, egress, sweepIntervalMs = SWEEP_INTERVAL_MS }: PricingOptions): Pricing {
  const pool = openPool({ databaseUrl, workload: 'pricing' });
  const database = openDatabase(pool);
  const inventory = connect(ItemService, { egress, policy: policies, caller: 'pricing' });
  const changefeed = new Changefeed({ pool, databaseUrl });
  changefeed.start();
  const background: readonly Running[] = [
    changefeed,
    followItems(pool, inventory),
    every(sweepIntervalMs, 'telling timed price changes', () => tellTimedChanges(pool)),
    every(PURGE_QUOTES_INTERVAL_MS, 'the purge of old quotes', () => purgeQuotes(database.sql)),
    purging(pool),
  ];
  return {
    services: [
      implement(PriceService, priceService(database, changefeed)),
      implement(TaxService, taxService(database)),
      implement(QuoteService, quoteService(database, inventory)),
    ],
    async close() {
      await Promise.all(background.map((running) => running.stop()));
      await database.prisma.$disconnect();
      await pool.end();
    },
  };
}
