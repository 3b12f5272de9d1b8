/**
 * WatchPrices, and the clock that tells watchers of prices that begin or end by themselves.
 */

import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import type { Price } from '@weft/gen/weft/pricing/v1/price_pb.js';
import { type WatchPricesRequest, WatchPricesResponseSchema } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import type { Changefeed, WatchEvent } from '@weft/runtime/data/changefeed';
import { type Sql, transaction } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { appendPriceChanges, PRICES, priceKeyOf } from '../changes.ts';
import { toPrice } from './price.ts';
import { resolvePrices } from './resolve.ts';

/** Streams what one unit of each SKU costs, and then every change to it. */
export async function* watchPrices(
  feed: Changefeed,
  pool: Pool,
  { skus, currencyCode, resumeToken }: WatchPricesRequest,
  signal: AbortSignal,
) {
  const watched = new Set(skus);
  const scope = createHash('sha256')
    .update(`${currencyCode} ${skus.toSorted().join(' ')}`)
    .digest('base64');
  const events = feed.watch<Price>({
    topic: PRICES,
    scope,
    resumeToken,
    signal,
    async *list(tx) {
      const { prices } = await unitPrices(tx, skus, currencyCode);
      yield [...prices.values()].map(toPrice);
    },
    async read(changes) {
      const touched = new Set(
        changes
          .map(({ key }) => priceKeyOf(key))
          .filter((key) => key.currencyCode === currencyCode && watched.has(key.sku))
          .map(({ sku }) => sku),
      );
      if (touched.size === 0) {
        return [];
      }
      const { prices } = await unitPrices(pool, [...touched], currencyCode);
      return [...touched].map((sku): Exclude<WatchEvent<Price>, { case: 'bookmark' }> => {
        const row = prices.get(sku);
        return row === undefined ? { case: 'deleted', value: sku } : { case: 'changed', value: toPrice(row) };
      });
    },
  });
  for await (const { resumeToken: after, event } of events) {
    yield create(WatchPricesResponseSchema, {
      resumeToken: after,
      event: event.case === 'deleted' ? { case: 'deletedSku', value: event.value } : event,
    });
  }
}

function unitPrices(sql: Sql, skus: readonly string[], currencyCode: string) {
  return resolvePrices(sql, new Map(skus.map((sku) => [sku, 1n])), currencyCode);
}

/** Tells the watchers of prices that began or ended since the last time. One replica at a time does it. */
export async function tellTimedChanges(pool: Pool): Promise<void> {
  await transaction(pool, async (tx) => {
    const { rows } = await tx.query<{ told_until: Date }>(
      'SELECT told_until FROM price_book FOR NO KEY UPDATE SKIP LOCKED',
    );
    const [book] = rows;
    if (book === undefined) {
      return;
    }
    const { rows: timed } = await tx.query<{ sku: string; currencyCode: string }>(
      `SELECT DISTINCT sku, currency_code AS "currencyCode" FROM prices
       WHERE (start_time > $1 AND start_time <= now()) OR (end_time > $1 AND end_time <= now())`,
      [book.told_until],
    );
    await tx.query('UPDATE price_book SET told_until = now()');
    await appendPriceChanges(tx, timed);
  });
}
