/**
 * A price in the database and in the contract.
 */

import { create } from '@bufbuild/protobuf';
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Price, PriceSchema } from '@weft/gen/weft/pricing/v1/price_pb.js';

/** A row of `prices`, as the statements here name its columns. */
export type PriceRow = {
  sku: string;
  currency_code: string;
  min_quantity: bigint;
  unit_minor_units: bigint;
  tax_inclusive: boolean;
  start_time: Date | null;
  end_time: Date | null;
};

/** Columns of a `PriceRow`. */
export const PRICE_COLUMNS = 'sku, currency_code, min_quantity, unit_minor_units, tax_inclusive, start_time, end_time';

/** A row as the contract shows it. */
export function toPrice(row: PriceRow): Price {
  return create(PriceSchema, {
    sku: row.sku,
    unitPrice: { currencyCode: row.currency_code, minorUnits: row.unit_minor_units },
    minQuantity: row.min_quantity,
    taxInclusive: row.tax_inclusive,
    ...(row.start_time === null ? {} : { startTime: timestampFromDate(row.start_time) }),
    ...(row.end_time === null ? {} : { endTime: timestampFromDate(row.end_time) }),
  });
}

/** A valid price of the contract as a row. */
export function toRow(price: Price): PriceRow {
  return {
    sku: price.sku,
    currency_code: price.unitPrice?.currencyCode ?? '',
    min_quantity: price.minQuantity,
    unit_minor_units: price.unitPrice?.minorUnits ?? 0n,
    tax_inclusive: price.taxInclusive,
    start_time: price.startTime === undefined ? null : timestampDate(price.startTime),
    end_time: price.endTime === undefined ? null : timestampDate(price.endTime),
  };
}

/** What makes two prices the same price: the later one replaces the earlier. */
export function priceKey(row: PriceRow): string {
  return [row.sku, row.currency_code, row.min_quantity, row.start_time?.getTime() ?? ''].join(' ');
}
