/**
 * The stream of stock levels: all of them, or those of one location or of some items, then every change, and each time that one
 * becomes low.
 */

import { create, fromJsonString } from '@bufbuild/protobuf';
import {
  type LowStock,
  LowStockSchema,
  type StockLevel,
  StockLevelSchema,
  type WatchStockLevelsRequest,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import type { Change } from '@weft/runtime/data/changes';
import type { Fact, ListedPart, WatchedKeys } from '@weft/runtime/data/view';
import { changed, PART_SIZE, partOf } from '@weft/runtime/data/watching';
import { STOCK, stockKeyOf } from '../changes.ts';
import type { Database } from '../database.ts';
import { type Level, levelKey, levelMessage } from './level.ts';
import { listLevels, readLevels, readLevelsAt } from './read.ts';

type LevelEvent =
  | { readonly case: 'changed'; readonly value: StockLevel }
  | { readonly case: 'lowStock'; readonly value: LowStock };

/** Items whose levels are listed at once: each may be at any number of locations. */
const ITEMS_AT_ONCE = 20;
/** A SKU; or a SKU and a location id. */
const POSITION = /^[A-Z0-9][A-Z0-9._-]{0,63}( [a-z0-9][a-z0-9-]{0,62})?$/;

/** Makes WatchStockLevels: what it gives are the messages of a stream. */
export function stockWatch({ sql }: Database, changefeed: Changefeed) {
  const view = changefeed.view<LevelEvent>({
    topic: STOCK,
    async read(changes, watched) {
      const wanted = changes.filter((change) => isWanted(change, watched));
      const named = wanted.filter((change) => !isLowStock(change)).map(stockKeyOf);
      const levels = named.length === 0 ? [] : await readLevelsAt(sql, named);
      const byKey = new Map(levels.map((level) => [levelKey(level), level]));
      const isWantedNow = new Set(wanted);
      return changes.map((change) => (isWantedNow.has(change) ? factsOf(change, byKey) : []));
    },
  });
  return ({ resumeToken, locationId, skus: unsorted }: WatchStockLevelsRequest, signal: AbortSignal) => {
    const skus = unsorted.toSorted();
    const narrowed = skus.length > 0 ? { keys: skus } : locationId !== '' ? { keys: [atLocation(locationId)] } : {};
    return view.watch<LevelEvent>({
      ...narrowed,
      scope: `levels ${[locationId, ...skus].join(' ')}`,
      resumeToken,
      signal,
      position: POSITION,
      async list(after) {
        if (skus.length > 0) {
          return await listOf(skus, after, (some) => readLevels(sql, some, locationId));
        }
        const [sku = '', atId = ''] = after.split(' ');
        const levels = await listLevels(sql, locationId, { sku, locationId: atId }, PART_SIZE);
        return partOf(levels, (level) => changed(levelMessage(level)), levelKey);
      },
      tell: (event) => (locationId === '' || event.value.locationId === locationId ? event : undefined),
    });
  };
}

/** The part of some items' levels that comes after a SKU. */
async function listOf(
  skus: readonly string[],
  after: string,
  read: (skus: readonly string[]) => Promise<Level[]>,
): Promise<ListedPart<LevelEvent>> {
  const left = skus.filter((sku) => sku > after);
  const some = left.slice(0, ITEMS_AT_ONCE);
  const events = (await read(some)).map((level) => changed(levelMessage(level)));
  return { events, next: left.length > ITEMS_AT_ONCE ? some.at(-1) : undefined };
}

function isWanted(change: Change, watched: WatchedKeys): boolean {
  const { sku, locationId } = stockKeyOf(change);
  return sku !== '' && locationId !== '' && (watched.has(sku) || watched.has(atLocation(locationId)));
}

/** What a change tells: how the level is now, nothing of everything once it is gone; or, of one that says so itself, that it became low. */
function factsOf(change: Change, levels: ReadonlyMap<string, Level>): Fact<LevelEvent>[] {
  const { sku, locationId } = stockKeyOf(change);
  const keys = [sku, atLocation(locationId)];
  if (isLowStock(change)) {
    return [{ value: { case: 'lowStock', value: fromJsonString(LowStockSchema, textOf(change)) }, keys }];
  }
  const level = levels.get(change.key);
  return [
    { value: changed(level === undefined ? create(StockLevelSchema, { sku, locationId }) : levelMessage(level)), keys },
  ];
}

function isLowStock({ payload }: Change): boolean {
  return payload.length > 0;
}

function textOf({ payload }: Change): string {
  return new TextDecoder().decode(payload);
}

function atLocation(locationId: string): string {
  return `at ${locationId}`;
}
