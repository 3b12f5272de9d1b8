/**
 * The stream of prices: what one unit of each SKU costs, then every change to it.
 */

import type { Price } from '@weft/gen/weft/pricing/v1/price_pb.js';
import type { WatchPricesRequest } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import type { Sql } from '@weft/runtime/data/pool';
import { PRICES, type PricedSku, pricedSkuOf } from '../price-book.ts';
import { type PriceRow, priceKey, priceMessage } from './price.ts';
import { resolvePrices } from './resolve.ts';

type PriceEvent =
  | { readonly case: 'changed'; readonly value: Price }
  | { readonly case: 'deletedSku'; readonly value: string };

/** What one unit of an item costs now, in a currency; without a row there is no price. */
type UnitPrice = PricedSku & { readonly row: PriceRow | undefined };

/** Makes WatchPrices: what it gives are the messages of a stream. */
export function priceWatch(sql: Sql, changefeed: Changefeed) {
  const view = changefeed.view<UnitPrice>({
    topic: PRICES,
    async read(changes, watched) {
      const touched = changes.map(pricedSkuOf).map((one) => (watched.has(keyOf(one)) ? one : undefined));
      const prices = await unitPricesOf(
        sql,
        touched.filter((one) => one !== undefined),
      );
      return touched.map((one) =>
        one === undefined ? [] : [{ value: { ...one, row: prices.get(keyOf(one)) }, keys: [keyOf(one)] }],
      );
    },
  });
  return ({ skus, currencyCode, resumeToken }: WatchPricesRequest, signal: AbortSignal) => {
    const told = new Told(resumeToken === '' ? skus : []);
    return view.watch<PriceEvent>({
      keys: skus.map((sku) => keyOf({ sku, currencyCode })),
      scope: [currencyCode, ...skus.toSorted()].join(' '),
      resumeToken,
      signal,
      async list() {
        const prices = await unitPrices(sql, skus, currencyCode);
        const news = [...prices.values()].filter((row) => told.isNews(row.sku, row));
        return { events: news.map((row) => eventOf(row.sku, row)), next: undefined };
      },
      tell: ({ sku, row }) => (told.isNews(sku, row) ? eventOf(sku, row) : undefined),
    });
  };
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

function eventOf(sku: string, row: PriceRow | undefined): PriceEvent {
  return row === undefined ? { case: 'deletedSku', value: sku } : { case: 'changed', value: priceMessage(row) };
}

function keyOf({ sku, currencyCode }: PricedSku): string {
  return `${currencyCode} ${sku}`;
}

/** The prices of items in any currencies, by `keyOf`. */
async function unitPricesOf(sql: Sql, priced: readonly PricedSku[]): Promise<Map<string, PriceRow>> {
  const found = new Map<string, PriceRow>();
  for (const [currencyCode, some] of Map.groupBy(priced, (one) => one.currencyCode)) {
    const skus = some.map(({ sku }) => sku);
    for (const [sku, row] of await unitPrices(sql, skus, currencyCode)) {
      found.set(keyOf({ sku, currencyCode }), row);
    }
  }
  return found;
}

async function unitPrices(sql: Sql, skus: readonly string[], currencyCode: string) {
  const { prices } = await resolvePrices(sql, new Map(skus.map((sku) => [sku, 1n])), currencyCode);
  return prices;
}
