/**
 * Pricing for tests: the real services on a real socket and a real database, with typed clients. The test takes the part of the
 * sidecars: it says who calls, and it is the way to inventory.
 */

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { PriceSchema } from '@weft/gen/weft/pricing/v1/price_pb.js';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { QuoteService } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { TaxRateSchema } from '@weft/gen/weft/pricing/v1/tax_rate_pb.js';
import { TaxService } from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { reasonOf } from '@weft/runtime/errors/fail';
import type { Pool } from 'pg';
import { requestId, transportAs } from '../../../dev/src/testing/calls.ts';
import { type Hosted, host, openTestDatabase } from '../../../dev/src/testing/hosted.ts';
import { openPricing, type PricingOptions } from '../src/pricing.ts';

/** The services' clients, as one caller. */
export type Clients = {
  readonly prices: Client<typeof PriceService>;
  readonly taxes: Client<typeof TaxService>;
  readonly quotes: Client<typeof QuoteService>;
};

/** One process of pricing, as `shipping` calls it. */
export type Replica = Clients & {
  /** Stops this replica alone; the database stays. */
  leave(): Promise<void>;
};

/** Pricing as a test sees it. The test itself calls as `shipping`. */
export type TestPricing = Replica & {
  /** Clients of another workload; of a user, when the edge says so. */
  as(workload: string, subject?: string): Clients;
  /** For looking at the tables, and for turning back time. */
  readonly pool: Pool;
  /** Another replica on the same database. */
  replica(): Promise<Replica>;
  /** Stops all replicas, and drops the database. */
  stop(): Promise<void>;
};

/** Where nobody listens: inventory is away. */
export const NOWHERE = 'unix:/nonexistent/inventory.sock';

/** Starts pricing on an empty database. */
export async function startPricing(options: Partial<PricingOptions> = {}): Promise<TestPricing> {
  const database = await openTestDatabase('pricing');
  const replicas: Hosted[] = [];
  const start = async () => {
    const pricing = openPricing({ egress: NOWHERE, sweepIntervalMs: 50, ...options, databaseUrl: database.url });
    const { address, stop } = await host('pricing', pricing);
    replicas.push({ address, stop });
    const as = (workload: string, subject?: string) => clientsOf(address, workload, subject);
    return { ...as('shipping'), as, leave: stop };
  };
  const first = await start();
  return {
    ...first,
    pool: database.pool,
    replica: start,
    async stop() {
      for (const replica of replicas) {
        await replica.stop();
      }
      await database.drop();
    },
  };
}

function clientsOf(address: string, workload: string, subject: string | undefined): Clients {
  const caller = { workload, ...(subject === undefined ? {} : { subject }) };
  const transport = transportAs(address, caller, [patient]);
  return {
    prices: createClient(PriceService, transport),
    taxes: createClient(TaxService, transport),
    quotes: createClient(QuoteService, transport),
  };
}

/**
 * Repeats a call that ran out of time, as its request id allows: on a busy machine that says nothing about pricing, and tests
 * are about what is answered.
 */
const patient: Interceptor = (next) => async (request) => {
  for (let triesLeft = 20; ; triesLeft -= 1) {
    try {
      return await next(request);
    } catch (error) {
      if (request.stream || reasonOf(error) !== 'DEADLINE' || triesLeft === 0) {
        throw error;
      }
    }
  }
};

/** What a call gives: its response, or the reason of its failure. */
export async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  return await call.catch((error: unknown) => reasonOf(error) ?? error);
}

/** A price in minor units; what is not given is ordinary. */
export function aPrice(sku: string, minorUnits: bigint, more: PriceInit & { currencyCode?: string } = {}) {
  const { currencyCode = 'EUR', ...rest } = more;
  const unitPrice = { currencyCode, minorUnits };
  return create(PriceSchema, { sku, unitPrice, minQuantity: 1n, taxInclusive: true, ...rest });
}

type PriceInit = Omit<MessageInitShape<typeof PriceSchema>, '$typeName' | '$unknown' | 'sku' | 'unitPrice'>;

/** Writes prices. */
export function putPrices({ prices }: Clients, ...list: ReturnType<typeof aPrice>[]) {
  return prices.batchUpsertPrices({ requestId: requestId(), prices: list });
}

type RateInit = Omit<MessageInitShape<typeof TaxRateSchema>, '$typeName' | '$unknown'>;

/** A tax rate; what is not given is ordinary: in force since 2020. */
export function aRate(rate: RateInit) {
  return create(TaxRateSchema, {
    jurisdiction: 'DE',
    taxCategory: 'standard',
    ratePpm: 190_000,
    name: 'MwSt.',
    startTime: at('2020-01-01T00:00:00Z'),
    ...rate,
  });
}

/** Creates a tax rate. */
export async function putRate({ taxes }: Clients, rate: RateInit = {}) {
  const { taxRate } = await taxes.createTaxRate({ requestId: requestId(), taxRate: aRate(rate) });
  return taxRate ?? create(TaxRateSchema);
}

/** An address of which only the place matters. */
export function place(countryCode: string, regionCode = '') {
  return create(AddressSchema, { countryCode, regionCode });
}

/** An instant as the contract writes it. */
export function at(iso: string) {
  const ms = Date.parse(iso);
  return { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (((ms % 1_000) + 1_000) % 1_000) * 1_000_000 };
}

/** An instant so many milliseconds from now. */
export const fromNow = (ms: number) => at(new Date(Date.now() + ms).toISOString());

/** Waits for something to become true, and says what it was when it does not. */
export async function eventually<T>(
  look: () => Promise<T>,
  isSo: (value: T) => boolean,
  withinMs = 10_000,
): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const value = await look();
    if (isSo(value)) {
      return value;
    }
    if (performance.now() > endMs) {
      throw new Error(
        `after ${withinMs} ms it is still ${JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
