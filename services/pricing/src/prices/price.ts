/**
 * A price in the database and in the contract.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Price, PriceSchema } from '@weft/gen/weft/pricing/v1/price_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import type { Price as PriceRow } from '../../prisma/client/client.ts';
import { requireCurrency } from '../currency.ts';
import { instantOf, SINCE_EVER } from '../instants.ts';

export type { PriceRow };

/** The columns of `prices`, under the names that Prisma gives them. */
export const PRICE_COLUMNS = `
  sku, currency_code AS "currencyCode", min_quantity AS "minQuantity", start_time AS "startTime", end_time AS "endTime",
  unit_minor_units AS "unitMinorUnits", tax_inclusive AS "taxInclusive"`;

/** A row as the contract shows it. */
export function priceMessage(row: PriceRow): Price {
  return create(PriceSchema, {
    sku: row.sku,
    unitPrice: { currencyCode: row.currencyCode, minorUnits: row.unitMinorUnits },
    minQuantity: row.minQuantity,
    taxInclusive: row.taxInclusive,
    ...(row.startTime.getTime() === SINCE_EVER.getTime() ? {} : { startTime: timestampFromDate(row.startTime) }),
    ...(row.endTime === null ? {} : { endTime: timestampFromDate(row.endTime) }),
  });
}

/**
 * A price that keeps the contract's rules, as a row.
 *
 * @throws CURRENCY_UNSUPPORTED, PRICE_INTERVAL_INVALID, INVALID_FIELD for what those rules cannot say.
 */
export function priceRow(price: Price): PriceRow {
  const startTime = price.startTime === undefined ? SINCE_EVER : instantOf(price.startTime, 'start_time');
  const endTime = price.endTime === undefined ? null : instantOf(price.endTime, 'end_time');
  if (endTime !== null && endTime <= startTime) {
    throw fail('PRICE_INTERVAL_INVALID', `the price of ${price.sku} does not end after it starts`);
  }
  return {
    sku: price.sku,
    currencyCode: requireCurrency(price.unitPrice?.currencyCode ?? ''),
    minQuantity: price.minQuantity,
    startTime,
    endTime,
    unitMinorUnits: price.unitPrice?.minorUnits ?? 0n,
    taxInclusive: price.taxInclusive,
  };
}

/** What makes two prices the same price: the later one replaces the earlier. */
export function priceKey({ sku, currencyCode, minQuantity, startTime }: PriceRow): string {
  return [sku, currencyCode, minQuantity, startTime.getTime()].join(' ');
}
