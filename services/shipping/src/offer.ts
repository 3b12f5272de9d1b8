/**
 * What a checkout offers and a shipment is: goods, way, packages and price, as columns that both tables have. Messages are kept
 * as their JSON, which people can read and later versions of the contract still understand.
 */

import { create, type DescMessage, fromJson, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf';
import { type Allocation, AllocationSchema } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { type Package, PackageSchema } from '@weft/gen/weft/shipping/v1/package_pb.js';
import { type Rate, RateSchema } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { type ShipmentLine, ShipmentLineSchema } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { type Address, AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { type Money, MoneySchema } from '@weft/gen/weft/type/v1/money_pb.js';

/** An offer in messages of the contract. */
export type Offer = {
  /** Sorted by SKU, each SKU once. */
  readonly lines: readonly ShipmentLine[];
  readonly destination: Address;
  readonly rate: Rate;
  readonly packages: readonly Package[];
  /** Which location sends how many units of what. */
  readonly allocations: readonly Allocation[];
  readonly total: Money;
};

/** An offer in columns, by Prisma's names. */
export type OfferRow = {
  readonly lines: unknown;
  readonly destination: unknown;
  readonly rate: unknown;
  readonly packages: unknown;
  readonly allocations: unknown;
  readonly currencyCode: string;
  readonly totalMinorUnits: bigint;
};

/** The columns by their names in SQL, in the order of `offerValues`. */
export const OFFER_COLUMNS = 'lines, destination, rate, packages, allocations, currency_code, total_minor_units';

/** Those columns by Prisma's names. */
export const OFFER_SELECTION =
  'lines, destination, rate, packages, allocations, currency_code AS "currencyCode", total_minor_units AS "totalMinorUnits"';

/** The values of `OFFER_COLUMNS`. */
export function offerValues({ lines, destination, rate, packages, allocations, total }: Offer): unknown[] {
  return [
    listText(ShipmentLineSchema, lines),
    JSON.stringify(toJson(AddressSchema, destination)),
    JSON.stringify(toJson(RateSchema, rate)),
    listText(PackageSchema, packages),
    listText(AllocationSchema, allocations),
    total.currencyCode,
    total.minorUnits,
  ];
}

/** Reads an offer from its columns. */
export function offerOf(row: OfferRow): Offer {
  return {
    lines: listOf(ShipmentLineSchema, row.lines),
    destination: fromJson(AddressSchema, row.destination as JsonValue),
    rate: fromJson(RateSchema, row.rate as JsonValue),
    packages: listOf(PackageSchema, row.packages),
    allocations: listOf(AllocationSchema, row.allocations),
    total: create(MoneySchema, { currencyCode: row.currencyCode, minorUnits: row.totalMinorUnits }),
  };
}

function listText<Desc extends DescMessage>(schema: Desc, messages: readonly MessageShape<Desc>[]): string {
  return JSON.stringify(messages.map((message) => toJson(schema, message)));
}

/** The database gives what `listText` wrote. */
function listOf<Desc extends DescMessage>(schema: Desc, json: unknown): MessageShape<Desc>[] {
  return (json as JsonValue[]).map((message) => fromJson(schema, message));
}
