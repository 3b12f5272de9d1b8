/**
 * The checkouts that were offered, by the quote that each made. PlaceShipment believes these rows and not what a caller sends.
 * Messages are kept as their JSON, which people can read and later versions of the contract still understand.
 */

import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { timestampDate, type timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Allocation, AllocationSchema } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { type Package, PackageSchema } from '@weft/gen/weft/shipping/v1/package_pb.js';
import { type Rate, RateSchema } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { type ShipmentLine, ShipmentLineSchema } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { type Address, AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { type Money, MoneySchema } from '@weft/gen/weft/type/v1/money_pb.js';
import { query, type Sql } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';

/** What a checkout offered. */
export type Checkout = {
  readonly quoteId: string;
  /** Whom it is for: a token's subject, or empty for anyone. */
  readonly customerId: string;
  /** Sorted by SKU, each SKU once. */
  readonly lines: readonly ShipmentLine[];
  readonly destination: Address;
  readonly rate: Rate;
  readonly packages: readonly Package[];
  readonly allocations: readonly Allocation[];
  readonly total: Money;
  readonly expireTime: Date;
};

/** The columns that a checkout and a shipment share. */
export type OfferRow = {
  readonly lines: JsonValue[];
  readonly destination: JsonValue;
  readonly rate: JsonValue;
  readonly packages: JsonValue[];
  readonly allocations: JsonValue[];
  readonly currency_code: string;
  readonly total_minor_units: bigint;
};

type CheckoutRow = OfferRow & {
  readonly quote_id: string;
  readonly customer_id: string;
  readonly expire_time: Date;
  readonly expired: boolean;
};

/** Writes a checkout. A quote that has one keeps it. */
export async function storeCheckout(tx: Sql, checkout: Checkout): Promise<void> {
  await tx.query({
    name: 'checkout_store',
    text: `
      INSERT INTO checkouts (quote_id, customer_id, lines, destination, rate, packages, allocations, currency_code,
        total_minor_units, expire_time)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
      ON CONFLICT (quote_id) DO NOTHING`,
    values: [
      checkout.quoteId,
      checkout.customerId,
      JSON.stringify(checkout.lines.map((line) => toJson(ShipmentLineSchema, line))),
      JSON.stringify(toJson(AddressSchema, checkout.destination)),
      JSON.stringify(toJson(RateSchema, checkout.rate)),
      JSON.stringify(checkout.packages.map((box) => toJson(PackageSchema, box))),
      JSON.stringify(checkout.allocations.map((allocation) => toJson(AllocationSchema, allocation))),
      checkout.total.currencyCode,
      checkout.total.minorUnits,
      checkout.expireTime,
    ],
  });
}

/** The checkout that made a quote, and whether its time is over by the database's clock; undefined when there is none. */
export async function readCheckout(
  pool: Pool,
  quoteId: string,
): Promise<{ checkout: Checkout; expired: boolean } | undefined> {
  const [row] = await query<CheckoutRow>(pool, {
    name: 'checkout_read',
    text: 'SELECT *, expire_time <= now() AS expired FROM checkouts WHERE quote_id = $1',
    values: [quoteId],
  });
  return row === undefined ? undefined : { checkout: checkoutOf(row), expired: row.expired };
}

/** What is kept of expired checkouts, for late questions: a day. After that nobody's address lies here without an order. */
export async function purgeCheckouts(pool: Pool): Promise<void> {
  await query(pool, `DELETE FROM checkouts WHERE expire_time < now() - interval '1 day'`);
}

/** The end of an offer: the earlier of the quote's and the rate's. */
export function offerEnd(...ends: readonly (ReturnType<typeof timestampFromDate> | undefined)[]): Date {
  const times = ends.flatMap((end) => (end === undefined ? [] : [timestampDate(end).getTime()]));
  return new Date(Math.min(...times));
}

/** Reads the columns that checkouts and shipments share. */
export function offerOf(row: OfferRow) {
  return {
    lines: row.lines.map((line) => fromJson(ShipmentLineSchema, line)),
    destination: fromJson(AddressSchema, row.destination),
    rate: fromJson(RateSchema, row.rate),
    packages: row.packages.map((box) => fromJson(PackageSchema, box)),
    allocations: row.allocations.map((allocation) => fromJson(AllocationSchema, allocation)),
    total: create(MoneySchema, { currencyCode: row.currency_code, minorUnits: row.total_minor_units }),
  };
}

function checkoutOf(row: CheckoutRow): Checkout {
  return { quoteId: row.quote_id, customerId: row.customer_id, expireTime: row.expire_time, ...offerOf(row) };
}
