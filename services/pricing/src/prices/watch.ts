/**
 * The stream of prices: what one unit of each SKU costs, then every change to it.
 */

import type { Price } from '@weft/gen/weft/pricing/v1/price_pb.js';
import type { WatchPricesRequest } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import type { Changefeed, WatchEvent } from '@weft/runtime/data/changefeed';
import type { Sql } from '@weft/runtime/data/pool';
import { PRICES, pricedSkuOf } from '../price-book.ts';
import { type PriceRow, priceKey, priceMessage } from './price.ts';
import { resolvePrices } from './resolve.ts';

/** Messages of WatchPrices. */
export async function* watchPrices(
  sql: Sql,
  changefeed: Changefeed,
  { skus, currencyCode, resumeToken }: WatchPricesRequest,
  signal: AbortSignal,
) {
  const told = new Told(resumeToken === '' ? skus : []);
  const events = changefeed.watch<Price>({
    topic: PRICES,
    scope: [currencyCode, ...skus.toSorted()].join(' '),
    resumeToken,
    signal,
    async *list(tx) {
      const prices = await unitPrices(tx, skus, currencyCode);
      yield [...prices.values()].filter((row) => told.isNews(row.sku, row)).map(priceMessage);
    },
    async read(changes) {
      const touched = new Set(
        changes.map(pricedSkuOf).flatMap((one) => (one.currencyCode === currencyCode ? one.sku : [])),
      );
      const watched = skus.filter((sku) => touched.has(sku));
      if (watched.length === 0) {
        return [];
      }
      const prices = await unitPrices(sql, watched, currencyCode);
      return watched.filter((sku) => told.isNews(sku, prices.get(sku))).map((sku) => eventOf(sku, prices.get(sku)));
    },
  });
  for await (const { resumeToken, event } of events) {
    yield {
      resumeToken,
      event: event.case === 'deleted' ? { case: 'deletedSku' as const, value: event.value } : event,
    };
  }
}

/** What a stream has told, so that it tells changes only: a price for next year is no change of what a unit costs today. */
class Told {
  readonly #bySku: Map<string, string>;

  /** @param unpriced SKUs that have no price as far as the reader knows. */
  constructor(unpriced: readonly string[]) {
    this.#bySku = new Map(unpriced.map((sku) => [sku, contentOf(undefined)]));
  }

  /** Whether a price, or that there is none, is news; from now on it is told. */
  isNews(sku: string, row: PriceRow | undefined): boolean {
    const content = contentOf(row);
    const isNews = this.#bySku.get(sku) !== content;
    this.#bySku.set(sku, content);
    return isNews;
  }
}

function contentOf(row: PriceRow | undefined): string {
  return row === undefined
    ? ''
    : [priceKey(row), row.endTime?.getTime(), row.unitMinorUnits, row.taxInclusive].join(' ');
}

function eventOf(sku: string, row: PriceRow | undefined): Exclude<WatchEvent<Price>, { case: 'bookmark' }> {
  return row === undefined ? { case: 'deleted', value: sku } : { case: 'changed', value: priceMessage(row) };
}

async function unitPrices(sql: Sql, skus: readonly string[], currencyCode: string) {
  const { prices } = await resolvePrices(sql, new Map(skus.map((sku) => [sku, 1n])), currencyCode);
  return prices;
}
