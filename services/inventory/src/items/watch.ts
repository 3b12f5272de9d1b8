/**
 * The stream of items: all that are not deleted, then every change.
 */

import type { Item } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ItemOrder, type WatchItemsRequest } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { changed, PART_SIZE, partOf } from '@weft/runtime/data/watching';
import { ITEMS } from '../changes.ts';
import type { Database } from '../database.ts';
import { itemMessage, SKU_CURSOR } from './item.ts';
import { listItems } from './list.ts';
import { readItems } from './read.ts';

type ItemEvent =
  | { readonly case: 'changed'; readonly value: Item }
  | { readonly case: 'deletedSku'; readonly value: string };

/** Makes WatchItems: what it gives are the messages of a stream. */
export function itemWatch({ sql }: Database, changefeed: Changefeed) {
  const view = changefeed.view<ItemEvent>({
    topic: ITEMS,
    async read(changes) {
      const items = await readItems(
        sql,
        changes.map(({ key }) => key),
      );
      return changes.map(({ key }) => [{ value: eventOf(key, items.get(key)), keys: [] }]);
    },
  });
  return ({ resumeToken }: WatchItemsRequest, signal: AbortSignal) =>
    view.watch<ItemEvent>({
      scope: '',
      resumeToken,
      signal,
      position: SKU_CURSOR,
      async list(after) {
        const query = { terms: [], order: ItemOrder.UNSPECIFIED, showDeleted: false };
        const items = await listItems(sql, query, after === '' ? undefined : [after], PART_SIZE);
        return partOf(
          items,
          ({ row }) => changed(itemMessage(row)),
          ({ row }) => row.sku,
        );
      },
      tell: (event) => event,
    });
}

function eventOf(sku: string, item: Item | undefined): ItemEvent {
  return item === undefined || item.deleteTime !== undefined ? { case: 'deletedSku', value: sku } : changed(item);
}
