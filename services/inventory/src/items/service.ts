/**
 * ItemService: what its RPCs are made of.
 */

import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { ItemSchema } from '@weft/gen/weft/inventory/v1/item_pb.js';
import {
  CreateItemResponseSchema,
  DeleteItemResponseSchema,
  ItemService,
  ListItemsRequestSchema,
  UndeleteItemResponseSchema,
  UpdateItemResponseSchema,
} from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { mutate } from '@weft/runtime/data/mutation';
import { closePage, openPage } from '@weft/runtime/data/page';
import { readWithin } from '@weft/runtime/data/pool';
import type { Database } from '../database.ts';
import { itemMessage, itemNotFound } from './item.ts';
import { cursorForm, listItems, readFilter } from './list.ts';
import { readItem, readItems } from './read.ts';
import { itemWatch } from './watch.ts';
import { createItem, deleteItem, undeleteItem, updateItem } from './write.ts';

const { method } = ItemService;

/** Makes the service on a database. */
export function itemService(database: Database, changefeed: Changefeed): ServiceImpl<typeof ItemService> {
  const { pool, sql } = database;
  const watchItems = itemWatch(database, changefeed);
  return {
    async getItem({ sku }) {
      return { item: await readItem(sql, sku) };
    },

    async batchGetItems({ skus, allowMissing }) {
      const found = await readItems(sql, skus);
      const missing = skus.find((sku) => !found.has(sku));
      if (missing !== undefined && !allowMissing) {
        throw itemNotFound(missing);
      }
      return { items: skus.flatMap((sku) => found.get(sku) ?? []) };
    },

    async listItems(request) {
      const { order, showDeleted } = request;
      const terms = readFilter(request.filter);
      const page = openPage(ListItemsRequestSchema, request, cursorForm(order));
      const listed = await readWithin(pool, (tx) =>
        listItems(tx, { terms, order, showDeleted }, page.after, page.size + 1),
      );
      const { entries, nextPageToken } = closePage(ListItemsRequestSchema, request, page, listed, ({ key }) => key);
      return { items: entries.map(({ row }) => itemMessage(row)), nextPageToken };
    },

    createItem: (request) =>
      mutate(pool, method.createItem, request, async (tx) =>
        create(CreateItemResponseSchema, {
          item: await createItem(database, tx, request.item ?? create(ItemSchema)),
        }),
      ),

    updateItem: (request) =>
      mutate(pool, method.updateItem, request, async (tx) =>
        create(UpdateItemResponseSchema, { item: await updateItem(database, tx, request) }),
      ),

    deleteItem: (request) =>
      mutate(pool, method.deleteItem, request, async (tx) =>
        create(DeleteItemResponseSchema, { item: await deleteItem(tx, request) }),
      ),

    undeleteItem: (request) =>
      mutate(pool, method.undeleteItem, request, async (tx) =>
        create(UndeleteItemResponseSchema, { item: await undeleteItem(tx, request.sku) }),
      ),

    watchItems: (request, { signal }) => watchItems(request, signal),
  };
}
