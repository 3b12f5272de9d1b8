/**
 * Items of a test's own, so that what other tests buy does not change what this one sees.
 */

import { randomUUID } from 'node:crypto';
import { OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { StockReason, StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import type { Caller } from '../customer.ts';

/** An item that nobody else knows of. */
export type ShelfItem = {
  readonly sku: string;
  readonly name: string;
  /** Brings units in, or takes them out. */
  adjust(delta: bigint): Promise<void>;
  /** Lets so many units be ordered beyond what is in stock. */
  allowBackorders(limit: bigint): Promise<void>;
};

/** Makes an item of 10 euros with so many units in Berlin. */
export async function shelve(merchant: Caller, units: bigint): Promise<ShelfItem> {
  const mark = randomUUID().slice(0, 8).toUpperCase();
  const sku = `WEB-${mark}`;
  const name = `Loom shuttle ${mark}`;
  const item = {
    sku,
    name,
    description: 'Beech, for tests.',
    category: 'test',
    weightGrams: 100,
    dimensions: { lengthMm: 100, widthMm: 80, heightMm: 20 },
    taxCategory: 'standard',
  };
  await merchant.of(ItemService).createItem({ requestId: randomUUID(), item });
  const price = { sku, unitPrice: { currencyCode: 'EUR', minorUnits: 1_000n }, minQuantity: 1n, taxInclusive: true };
  await merchant.of(PriceService).batchUpsertPrices({ requestId: randomUUID(), prices: [price] });
  const adjust = async (delta: bigint) => {
    const reason = delta > 0n ? StockReason.RECEIVED : StockReason.CORRECTION;
    await merchant.of(StockService).adjustStock({ requestId: randomUUID(), sku, locationId: 'berlin', delta, reason });
  };
  await adjust(units);
  const allowBackorders = async (backorderLimit: bigint) => {
    await merchant.of(ItemService).updateItem({
      requestId: randomUUID(),
      item: { sku, outOfStockPolicy: OutOfStockPolicy.BACKORDER, backorderLimit },
      updateMask: { paths: ['out_of_stock_policy', 'backorder_limit'] },
    });
  };
  return { sku, name, adjust, allowBackorders };
}
