/**
 * What is wrong with prices before they are written, price by price: the rules of the contract, and what those cannot say.
 */

import { ConnectError } from '@connectrpc/connect';
import { type Price, PriceSchema } from '@weft/gen/weft/pricing/v1/price_pb.js';
import type { Reason } from '@weft/runtime/errors/catalogue';
import { reasonOf } from '@weft/runtime/errors/fail';
import { check } from '@weft/runtime/server/validate';
import { type PriceRow, priceKey, priceRow } from './price.ts';

/** What is wrong with a price of a batch. */
export type PriceProblem = {
  /** Index in the batch. */
  readonly index: number;
  readonly reason: Reason;
  readonly message: string;
};

/** Prices as rows when all are sound, else what is wrong: one problem for each price at most, in order. */
export type CheckedPrices = { readonly rows: readonly PriceRow[]; readonly problems: readonly PriceProblem[] };

/** Checks the prices of a batch, each by itself and against those before it. */
export function checkPrices(prices: readonly Price[]): CheckedPrices {
  const rows: PriceRow[] = [];
  const problems: PriceProblem[] = [];
  const seen = new Set<string>();
  for (const [index, price] of prices.entries()) {
    try {
      check(PriceSchema, price);
      const row = priceRow(price);
      const key = priceKey(row);
      if (seen.has(key)) {
        const message = `a price before it has the same SKU ${row.sku}, currency, quantity and start`;
        problems.push({ index, reason: 'PRICE_DUPLICATE', message });
      }
      seen.add(key);
      rows.push(row);
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined || !(error instanceof ConnectError)) {
        throw error;
      }
      problems.push({ index, reason, message: error.rawMessage });
    }
  }
  return { rows, problems };
}
