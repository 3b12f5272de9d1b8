/**
 * PriceService.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  BatchUpsertPricesResponseSchema,
  ListPricesRequestSchema,
  ListPricesResponseSchema,
  PriceService,
  ResolvePricesResponseSchema,
} from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { mutate } from '@weft/runtime/data/mutation';
import { CURSOR, closePage, openPage } from '@weft/runtime/data/page';
import { query } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { isAmount } from '@weft/values/money';
import type { Pool } from 'pg';
import { requireCurrency } from '../currency.ts';
import { importPrices } from './import.ts';
import { PRICE_COLUMNS, type PriceRow, toPrice } from './price.ts';
import { quantitiesBySku, resolvePrices } from './resolve.ts';
import { watchPrices } from './watch.ts';
import { problemsOf, writePrices } from './write.ts';

/** Implements PriceService on pricing's database. */
export function priceService(pool: Pool, feed: Changefeed): ServiceImpl<typeof PriceService> {
  return {
    async resolvePrices({ lines, currencyCode }) {
      requireCurrency(currencyCode);
      const { prices, asOf } = await resolvePrices(pool, quantitiesBySku(lines), currencyCode);
      return create(ResolvePricesResponseSchema, {
        asOfTime: timestampFromDate(asOf),
        prices: lines.map(({ sku, quantity }) => {
          const row = prices.get(sku);
          return row === undefined
            ? { sku, quantity }
            : { sku, quantity, price: toPrice(row), linePrice: linePrice(row, quantity) };
        }),
      });
    },

    batchUpsertPrices(request) {
      const [problem] = problemsOf(request.prices);
      if (problem !== undefined) {
        const field = `prices[${problem.index}]`;
        throw fail(problem.reason, `${field}: ${problem.message}`, { field });
      }
      return mutate(pool, PriceService.method.batchUpsertPrices, request, async (tx) => {
        await writePrices(tx, request.prices);
        return create(BatchUpsertPricesResponseSchema, { prices: request.prices });
      });
    },

    importPrices: (chunks) => importPrices(pool, chunks),

    async listPrices(request) {
      const page = openPage(ListPricesRequestSchema, request, [CURSOR.bigint]);
      const [afterId] = page.after ?? [];
      const rows = await query<PriceRow & { price_id: bigint }>(
        pool,
        `SELECT price_id, ${PRICE_COLUMNS} FROM prices
         WHERE ($1 = '' OR sku = $1) AND ($2 = '' OR currency_code = $2)
           AND ($3::bigint IS NULL OR (sku, currency_code, min_quantity, coalesce(start_time, '-infinity'), price_id) >
                (SELECT sku, currency_code, min_quantity, coalesce(start_time, '-infinity'), price_id
                 FROM prices WHERE price_id = $3))
         ORDER BY sku, currency_code, min_quantity, coalesce(start_time, '-infinity'), price_id
         LIMIT $4`,
        [request.sku, request.currencyCode, afterId ?? null, page.size + 1],
      );
      const { entries, nextPageToken } = closePage(ListPricesRequestSchema, request, page, rows, (row) => [
        String(row.price_id),
      ]);
      return create(ListPricesResponseSchema, { prices: entries.map(toPrice), nextPageToken });
    },

    watchPrices(request, { signal }) {
      requireCurrency(request.currencyCode);
      return watchPrices(feed, pool, request, signal);
    },
  };
}

/** Unit price times quantity.
 *
 * @throws AMOUNT_OUT_OF_RANGE
 */
function linePrice(row: PriceRow, quantity: bigint): { currencyCode: string; minorUnits: bigint } {
  const minorUnits = row.unit_minor_units * quantity;
  if (!isAmount(minorUnits)) {
    throw fail('AMOUNT_OUT_OF_RANGE', undefined, { sku: row.sku });
  }
  return { currencyCode: row.currency_code, minorUnits };
}
