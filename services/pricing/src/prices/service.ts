/**
 * PriceService: what its RPCs are made of.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  BatchUpsertPricesResponseSchema,
  ListPricesRequestSchema,
  type PriceLine,
  PriceService,
  type ResolvedPrice,
  ResolvedPriceSchema,
} from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { mutate } from '@weft/runtime/data/mutation';
import { closePage, openPage } from '@weft/runtime/data/page';
import { fail } from '@weft/runtime/errors/fail';
import { money, requireCurrency } from '../currency.ts';
import type { Database } from '../database.ts';
import { checkPrices } from './check.ts';
import { importPrices } from './import.ts';
import { listPrices, PRICE_CURSOR, priceCursor } from './list.ts';
import { type PriceRow, priceMessage } from './price.ts';
import { quantitiesBySku, resolvePrices } from './resolve.ts';
import { priceWatch } from './watch.ts';
import { writePrices } from './write.ts';

/** Makes the service on a database. */
export function priceService({ pool, sql }: Database, changefeed: Changefeed): ServiceImpl<typeof PriceService> {
  const watchPrices = priceWatch(sql, changefeed);
  return {
    async resolvePrices({ lines, currencyCode }) {
      requireCurrency(currencyCode);
      const { prices, asOf } = await resolvePrices(sql, quantitiesBySku(lines), currencyCode);
      return {
        prices: lines.map((line) => resolvedPrice(line, prices.get(line.sku))),
        asOfTime: timestampFromDate(asOf),
      };
    },

    async batchUpsertPrices(request) {
      const { rows, problems } = checkPrices(request.prices);
      const [problem] = problems;
      if (problem !== undefined) {
        const field = `prices[${problem.index}]`;
        const violation = { field, description: problem.message };
        throw fail(problem.reason, `${field}: ${problem.message}`, { field }, { fieldViolations: [violation] });
      }
      return mutate(pool, PriceService.method.batchUpsertPrices, request, async (tx) => {
        await writePrices(tx, rows);
        return create(BatchUpsertPricesResponseSchema, { prices: rows.map(priceMessage) });
      });
    },

    importPrices: (chunks) => importPrices(pool, chunks),

    async listPrices(request) {
      const page = openPage(ListPricesRequestSchema, request, PRICE_CURSOR);
      const listed = await listPrices(sql, request, page.after, page.size + 1);
      const { entries, nextPageToken } = closePage(ListPricesRequestSchema, request, page, listed, priceCursor);
      return { prices: entries.map(priceMessage), nextPageToken };
    },

    watchPrices(request, { signal }) {
      requireCurrency(request.currencyCode);
      return watchPrices(request, signal);
    },
  };
}

/** @throws AMOUNT_OUT_OF_RANGE */
function resolvedPrice({ sku, quantity }: PriceLine, row: PriceRow | undefined): ResolvedPrice {
  return create(ResolvedPriceSchema, {
    sku,
    quantity,
    ...(row === undefined
      ? {}
      : { price: priceMessage(row), linePrice: money(row.unitMinorUnits * quantity, row.currencyCode) }),
  });
}
