/**
 * The stream of items: all that are not deleted, then every change.
 */

import type { Item } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ItemOrder, type WatchItemsRequest } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import type { Sql } from '@weft/runtime/data/pool';
import { changed, inParts, keysOf, PART_SIZE } from '@weft/runtime/data/watching';
import { ITEMS } from '../changes.ts';
import type { Database } from '../database.ts';
import { itemMessage } from './item.ts';
import { listItems } from './list.ts';
import { readItems } from './read.ts';

/** Messages of WatchItems. */
export async function* watchItems(
  { sql }: Database,
  changefeed: Changefeed,
  { resumeToken }: WatchItemsRequest,
  signal: AbortSignal,
) {
  const events = changefeed.watch<Item>({
    topic: ITEMS,
    scope: '',
    resumeToken,
    signal,
    list: (tx) => inParts((last) => listAfter(tx, last)),
    read: async (changes) => {
      const skus = keysOf(changes);
      const items = await readItems(sql, skus);
      return skus.map((sku) => {
        const item = items.get(sku);
        return item === undefined || item.deleteTime !== undefined ? { case: 'deleted', value: sku } : changed(item);
      });
    },
  });
  for await (const { resumeToken, event } of events) {
    yield {
      resumeToken,
      event: event.case === 'deleted' ? { case: 'deletedSku' as const, value: event.value } : event,
    };
  }
}

async function listAfter(tx: Sql, last: Item | undefined): Promise<Item[]> {
  const query = { terms: [], order: ItemOrder.UNSPECIFIED, showDeleted: false };
  const listed = await listItems(tx, query, last && [last.sku], PART_SIZE);
  return listed.map(({ row }) => itemMessage(row));
}
