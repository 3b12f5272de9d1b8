/**
 * Writes prices: all of a batch or none.
 */

import type { Price } from '@weft/gen/weft/pricing/v1/price_pb.js';
import { PriceSchema } from '@weft/gen/weft/pricing/v1/price_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import type { Reason } from '@weft/runtime/errors/catalogue';
import { isReason } from '@weft/runtime/errors/catalogue';
import { reasonOf } from '@weft/runtime/errors/fail';
import { check } from '@weft/runtime/server/validate';
import { isCurrency } from '@weft/values/currency';
import { appendPriceChanges, nextRevision } from '../changes.ts';
import { type PriceRow, priceKey, toRow } from './price.ts';

/** What is wrong with a price of a batch. */
export type PriceProblem = {
  /** Index in the batch. */
  readonly index: number;
  readonly reason: Reason;
  readonly message: string;
};

/** What is wrong with prices, one problem for each price at most, in order. */
export function problemsOf(prices: readonly Price[]): PriceProblem[] {
  const firstIndex = new Map<string, number>();
  return prices.flatMap((price, index) => {
    const problem = problemOf(price);
    if (problem !== undefined) {
      return [{ index, ...problem }];
    }
    const key = priceKey(toRow(price));
    const earlier = firstIndex.get(key);
    if (earlier !== undefined) {
      const message = `the same SKU, currency, quantity and start as the price ${index - earlier} before it`;
      return [{ index, reason: 'PRICE_DUPLICATE' as const, message }];
    }
    firstIndex.set(key, index);
    return [];
  });
}

function problemOf(price: Price): Omit<PriceProblem, 'index'> | undefined {
  try {
    check(PriceSchema, price);
  } catch (error) {
    const reason = reasonOf(error) ?? 'INVALID_FIELD';
    return { reason: isReason(reason) ? reason : 'INVALID_FIELD', message: messageOf(error) };
  }
  const row = toRow(price);
  if (!isCurrency(row.currency_code)) {
    return { reason: 'CURRENCY_UNSUPPORTED', message: `${row.currency_code} is not a currency of ISO 4217` };
  }
  if (row.start_time !== null && row.end_time !== null && row.end_time <= row.start_time) {
    return { reason: 'PRICE_INTERVAL_INVALID', message: 'the price ends before it starts' };
  }
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error && 'rawMessage' in error ? String(error.rawMessage) : String(error);
}

/**
 * Writes prices without problems; a price with the same key is replaced.
 *
 * @returns how many of them changed something.
 */
export async function writePrices(tx: Sql, prices: readonly Price[]): Promise<number> {
  // In the order of the key, so that two writers never wait for each other in a circle.
  const rows = prices.map(toRow).toSorted((a, b) => (priceKey(a) < priceKey(b) ? -1 : 1));
  const { rows: changed } = await tx.query<Pick<PriceRow, 'sku' | 'currency_code'>>({
    name: 'prices_upsert',
    text: `INSERT INTO prices (sku, currency_code, min_quantity, unit_minor_units, tax_inclusive, start_time, end_time)
           SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[],
                                $6::timestamptz[], $7::timestamptz[])
           ON CONFLICT (sku, currency_code, min_quantity, start_time) DO UPDATE
           SET unit_minor_units = excluded.unit_minor_units, tax_inclusive = excluded.tax_inclusive,
               end_time = excluded.end_time
           WHERE (prices.unit_minor_units, prices.tax_inclusive, prices.end_time)
                 IS DISTINCT FROM (excluded.unit_minor_units, excluded.tax_inclusive, excluded.end_time)
           RETURNING sku, currency_code`,
    values: [
      rows.map((row) => row.sku),
      rows.map((row) => row.currency_code),
      rows.map((row) => row.min_quantity),
      rows.map((row) => row.unit_minor_units),
      rows.map((row) => row.tax_inclusive),
      rows.map((row) => row.start_time),
      rows.map((row) => row.end_time),
    ],
  });
  if (changed.length > 0) {
    await nextRevision(tx);
    await appendPriceChanges(
      tx,
      changed.map((row) => ({ sku: row.sku, currencyCode: row.currency_code })),
    );
  }
  return changed.length;
}
