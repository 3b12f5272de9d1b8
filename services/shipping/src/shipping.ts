/**
 * Shipping as a whole: its services on one database, the workloads that it asks, and what runs beside the services.
 */

import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { QuoteService } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { CheckoutService } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import { RateService } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Address } from '@weft/runtime/address';
import { connect } from '@weft/runtime/client/connect';
import { Changefeed } from '@weft/runtime/data/changefeed';
import { every, purging, type Running } from '@weft/runtime/data/jobs';
import { openPool } from '@weft/runtime/data/pool';
import { type Implementation, implement } from '@weft/runtime/server/implement';
import { checkoutService } from './checkout/checkout-service.ts';
import { purgeCheckouts } from './checkout/checkouts.ts';
import { openDatabase } from './database.ts';
import { rateService } from './rates/rate-service.ts';
import { signingKey } from './rates/signing-key.ts';
import { SagaRunner } from './shipments/saga/runner.ts';
import type { SagaTimes } from './shipments/saga/times.ts';
import { shipmentService } from './shipments/shipment-service.ts';

/** Where shipping's database is and where it finds the others. */
export type ShippingOptions = {
  readonly databaseUrl: string;
  /** The sidecar's outbound listener. */
  readonly egress: Address | string;
  /** How long the parts of a saga may take; default `SAGA_TIMES`. */
  readonly times?: SagaTimes;
};

/** Shipping, ready to be served. */
export type Shipping = {
  readonly services: readonly Implementation[];
  /** Ends what runs beside the services, then the connections. */
  close(): Promise<void>;
};

const PURGE_CHECKOUTS_INTERVAL_MS = 600_000;

/** Puts the services on a database, reads or makes the signing key, and begins to take up what a dead process left. */
export async function openShipping({ databaseUrl, egress, times }: ShippingOptions): Promise<Shipping> {
  const pool = openPool({ databaseUrl, workload: 'shipping' });
  const key = await signingKey(pool).catch(async (error: unknown) => {
    await pool.end();
    throw error;
  });
  const database = openDatabase(pool);
  const upstream = { egress, policy: policies, caller: 'shipping' } as const;
  const items = connect(ItemService, upstream);
  const reservations = connect(ReservationService, upstream);
  const quotes = connect(QuoteService, upstream);

  const changefeed = new Changefeed({ pool, databaseUrl });
  changefeed.start();
  const runner = new SagaRunner({
    pool,
    upstream: { reservations, quotes },
    ...(times === undefined ? {} : { times }),
  });
  runner.start();
  const background: readonly Running[] = [
    changefeed,
    runner,
    every(PURGE_CHECKOUTS_INTERVAL_MS, 'the purge of old checkouts', () => purgeCheckouts(pool)),
    purging(pool),
  ];
  return {
    services: [
      implement(RateService, rateService({ pool, key, items })),
      implement(CheckoutService, checkoutService({ pool, key, items, reservations, quotes })),
      implement(ShipmentService, shipmentService({ database, changefeed, runner })),
    ],
    async close() {
      await Promise.all(background.map((running) => running.stop()));
      await database.prisma.$disconnect();
      await pool.end();
    },
  };
}
