/**
 * Reads the market for many callers at once: whoever asks while the database answers the last reading shares the next. A
 * change of a hot SKU that a thousand streams watch costs one reading.
 */

import { coalesce } from '@weft/runtime/data/coalesce';
import type { Sql } from '@weft/runtime/data/pool';
import { detached } from '@weft/runtime/server/call';
import { type Market, readMarketNow } from '../reservations/supply.ts';

/** Callers of one reading, at most: each asks about up to 200 SKUs. */
const MAX_BATCH = 64;

/** Reads what can be sold of these SKUs; a caller that is gone before the reading begins is left out of it. */
export type MarketReader = (skus: readonly string[], signal?: AbortSignal) => Promise<Market>;

/** Makes a reader on a database. */
export function marketReader(sql: Sql): MarketReader {
  return coalesce<readonly string[], Market>({
    run: async (asked) => {
      const market = await detached(() => readMarketNow(sql, [...new Set(asked.flat())]));
      return asked.map(() => market);
    },
    maxBatch: MAX_BATCH,
  });
}
