/**
 * StockService: what its RPCs are made of.
 */

import type { ServiceImpl } from '@connectrpc/connect';
import {
  ListLedgerEntriesRequestSchema,
  ListStockLevelsRequestSchema,
  ReconcileStockRequestSchema,
  StockService,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { actor, mutate } from '@weft/runtime/data/mutation';
import { CURSOR, closePage, fitPage, openPage, sealPageToken } from '@weft/runtime/data/page';
import { readWithin } from '@weft/runtime/data/pool';
import { principal } from '@weft/runtime/server/caller';
import type { Database } from '../database.ts';
import { itemNotFound, SKU_CURSOR } from '../items/item.ts';
import { readItems } from '../items/read.ts';
import { LOCATION_ID_CURSOR, locationNotFound } from '../locations/location.ts';
import { adjust } from './adjust.ts';
import { readImport } from './import-progress.ts';
import { importStock } from './import-stream.ts';
import { listLedger } from './ledger-list.ts';
import { levelMessage } from './level.ts';
import { move } from './move.ts';
import { FIRST_LEVEL, listLevels, readLevels } from './read.ts';
import { reconcile } from './reconcile.ts';
import { set } from './set.ts';
import { stockWatch } from './watch.ts';

/** Levels and their lots on a page, at most: as JSON they are up to 300 bytes each. */
const MAX_PAGE_WEIGHT = 12_000;
/** Levels that a page of the proof compares when nobody says how many. */
const RECONCILED_PER_PAGE = 1_000;

/** Makes the service on a database. */
export function stockService(database: Database, changefeed: Changefeed): ServiceImpl<typeof StockService> {
  const { pool, sql, prisma } = database;
  const watchStockLevels = stockWatch(database, changefeed);
  return {
    async batchGetStockLevels({ skus, locationId }) {
      const items = await readItems(sql, skus);
      const missing = skus.find((sku) => !items.has(sku));
      if (missing !== undefined) {
        throw itemNotFound(missing);
      }
      if (locationId !== '' && (await prisma.location.count({ where: { locationId } })) === 0) {
        throw locationNotFound(locationId);
      }
      const bySku = Map.groupBy(await readLevels(sql, skus, locationId), ({ sku }) => sku);
      return { stockLevels: skus.flatMap((sku) => (bySku.get(sku) ?? []).map(levelMessage)) };
    },

    async listStockLevels(request) {
      const asked = openPage(ListStockLevelsRequestSchema, request, [SKU_CURSOR, LOCATION_ID_CURSOR]);
      const [sku, locationId] = asked.after ?? [];
      const after = sku === undefined || locationId === undefined ? FIRST_LEVEL : { sku, locationId };
      const levels = await listLevels(sql, request.locationId, after, asked.size + 1);
      const page = fitPage(asked, levels, ({ lots }) => 1 + lots.length, MAX_PAGE_WEIGHT);
      const { entries, nextPageToken } = closePage(ListStockLevelsRequestSchema, request, page, levels, (last) => [
        last.sku,
        last.locationId,
      ]);
      return { stockLevels: entries.map(levelMessage), nextPageToken };
    },

    adjustStock: (request) =>
      mutate(pool, StockService.method.adjustStock, request, (tx) => adjust(tx, request, actor())),

    importStock: (chunks) => importStock(pool, chunks, actor()),

    setStock: (request) => mutate(pool, StockService.method.setStock, request, (tx) => set(tx, request, actor())),

    moveStock: (request) => mutate(pool, StockService.method.moveStock, request, (tx) => move(tx, request, actor())),

    async getStockImport({ requestId }) {
      return { stockImport: await readImport(sql, principal(), requestId) };
    },

    async reconcileStock(request) {
      const { after } = openPage(ReconcileStockRequestSchema, request, [SKU_CURSOR, LOCATION_ID_CURSOR]);
      const [sku, locationId] = after ?? [];
      const position = sku === undefined || locationId === undefined ? FIRST_LEVEL : { sku, locationId };
      const limit = request.pageSize || RECONCILED_PER_PAGE;
      const { comparedCount, discrepancies, next } = await readWithin(pool, (tx) =>
        reconcile(tx, request, position, limit),
      );
      const cursor = next === undefined ? '' : JSON.stringify([next.sku, next.locationId]);
      return {
        comparedCount,
        discrepancies: [...discrepancies],
        nextPageToken: next === undefined ? '' : sealPageToken(ReconcileStockRequestSchema, request, cursor),
      };
    },

    async listLedgerEntries(request) {
      const page = openPage(ListLedgerEntriesRequestSchema, request, [CURSOR.uuid]);
      const read = await listLedger(sql, request, page.after?.[0], page.size + 1);
      const { entries, nextPageToken } = closePage(ListLedgerEntriesRequestSchema, request, page, read, (last) => [
        last.ledgerEntryId,
      ]);
      return { ledgerEntries: [...entries], nextPageToken };
    },

    watchStockLevels: (request, { signal }) => watchStockLevels(request, signal),
  };
}
