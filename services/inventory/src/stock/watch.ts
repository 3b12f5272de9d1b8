/**
 * The stream of stock levels: all of them, or those of one location, then every change.
 */

import type { StockLevel, WatchStockLevelsRequest } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { changed, inParts, lasting, PART_SIZE } from '@weft/runtime/data/watching';
import { STOCK, stockKeyOf } from '../changes.ts';
import type { Database } from '../database.ts';
import { levelMessage } from './level.ts';
import { FIRST_LEVEL, listLevels, readLevelsAt } from './read.ts';

/** Messages of WatchStockLevels. */
export function watchStockLevels(
  { sql }: Database,
  changefeed: Changefeed,
  { resumeToken, locationId }: WatchStockLevelsRequest,
  signal: AbortSignal,
) {
  return lasting(
    changefeed.watch<StockLevel>({
      topic: STOCK,
      scope: `levels ${locationId}`,
      resumeToken,
      signal,
      list: (tx) =>
        inParts(async (last) => {
          const levels = await listLevels(tx, locationId, last ?? FIRST_LEVEL, PART_SIZE);
          return levels.map(levelMessage);
        }),
      read: async (changes) => {
        const keys = changes.map(stockKeyOf).filter((key) => locationId === '' || key.locationId === locationId);
        return (await readLevelsAt(sql, keys)).map((level) => changed(levelMessage(level)));
      },
    }),
  );
}
