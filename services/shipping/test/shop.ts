/**
 * A small shop for shipping's tests: the real inventory and the real pricing on real sockets and databases, crossings that can
 * misbehave between them and shipping, and goods, prices, taxes and tariffs that entered by the public RPCs.
 *
 * Two warehouses: `berlin` (DE, asked first) and `london` (GB). Items, each 1,000 in stock at both unless a test says otherwise:
 * MUG (350 g, 120x100x100), POT (2.5 kg, 320x240x180), POLE (1.8 m, no carton holds it). SET is a kit of two mugs and a pot. EUR prices
 * include 19 % tax in Germany.
 */

import { type Client, createClient } from '@connectrpc/connect';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { LocationService } from '@weft/gen/weft/inventory/v1/location_service_pb.js';
import { StockReason, StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { TaxService } from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { RateService } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import type { Pool } from 'pg';
import { requestId, transportAs } from '../../../dev/src/testing/calls.ts';
import { host, openTestDatabase } from '../../../dev/src/testing/hosted.ts';
import { openInventory } from '../../inventory/src/inventory.ts';
import { openPricing } from '../../pricing/src/pricing.ts';
import type { SagaTimes } from '../src/shipments/saga/times.ts';
import { openShipping, type Shipping } from '../src/shipping.ts';
import { type Crossing, openCrossing } from './crossing.ts';
import { alpenpost, cartons } from './tariffs.ts';

/** A replica of shipping in this process. */
export type Replica = { readonly address: string; close(): Promise<void> };

/** The shop. */
export type Shop = {
  /** Between shipping and the others. */
  readonly crossing: Crossing;
  /** For looking at the tables. */
  readonly pools: { readonly inventory: Pool; readonly pricing: Pool; readonly shipping: Pool };
  /** For processes of shipping that a test starts itself. */
  readonly databaseUrl: string;
  /** Starts a replica of shipping. It is stopped with the shop. */
  replica(times?: SagaTimes): Promise<Replica>;
  /** Sets how many units a warehouse has. */
  stock(sku: string, locationId: string, units: number): Promise<void>;
  readonly items: Client<typeof ItemService>;
  close(): Promise<void>;
};

/** Opens the shop. */
export async function openShop(): Promise<Shop> {
  const ends: (() => Promise<unknown>)[] = [];
  const addresses: Record<string, string> = {};
  const database = async (service: string) => {
    const made = await openTestDatabase(service);
    ends.push(made.drop);
    return made;
  };
  const hosted = async (workload: string, opened: Shipping) => {
    const running = await host(workload, opened);
    ends.push(running.stop);
    return running;
  };

  const inventoryDatabase = await database('inventory');
  const pricingDatabase = await database('pricing');
  const shippingDatabase = await database('shipping');
  const inventory = await hosted('inventory', openInventory({ databaseUrl: inventoryDatabase.url }));
  addresses.inventory = inventory.address;
  const pricingCrossing = await openCrossing('pricing', () => addresses);
  ends.push(() => pricingCrossing.close());
  const pricing = await hosted(
    'pricing',
    openPricing({ databaseUrl: pricingDatabase.url, egress: pricingCrossing.address }),
  );
  addresses.pricing = pricing.address;
  const crossing = await openCrossing('shipping', () => addresses);
  ends.push(() => crossing.close());

  await fillWarehouses(inventory.address);
  await setPrices(pricing.address);
  const stock = stockSetter(inventory.address);
  return {
    crossing,
    pools: { inventory: inventoryDatabase.pool, pricing: pricingDatabase.pool, shipping: shippingDatabase.pool },
    databaseUrl: shippingDatabase.url,
    items: createClient(ItemService, transportAs(inventory.address, { subject: 'keeper' })),
    stock,
    async replica(times) {
      const options = { databaseUrl: shippingDatabase.url, egress: crossing.address };
      const opened = await openShipping(times === undefined ? options : { ...options, times });
      const { address, stop } = await hosted('shipping', opened);
      return { address, close: stop };
    },
    async close() {
      for (const end of ends.reverse()) {
        await end();
      }
    },
  };
}

/** Imports the carrier and the cartons. */
export async function importTariffs(address: string): Promise<void> {
  const rates = createClient(RateService, transportAs(address, { subject: 'keeper', scopes: 'shipping:write' }));
  await rates.importRateTable(
    (async function* () {
      yield { requestId: requestId(), carrierId: 'alpenpost', ...alpenpost, cartons };
    })(),
  );
}

async function fillWarehouses(address: string): Promise<void> {
  const transport = transportAs(address, { subject: 'keeper' });
  const locations = createClient(LocationService, transport);
  for (const [locationId, countryCode, pickPriority] of [
    ['berlin', 'DE', 1],
    ['london', 'GB', 2],
  ] as const) {
    await locations.createLocation({
      requestId: requestId(),
      location: {
        locationId,
        name: locationId,
        address: { lines: ['Dock 1'], city: locationId, postalCode: '10115', countryCode },
        timeZone: 'Europe/Berlin',
        pickPriority,
      },
    });
  }
  const items = createClient(ItemService, transport);
  const stock = stockSetter(address);
  for (const [sku, weightGrams, [lengthMm, widthMm, heightMm]] of [
    ['MUG', 350, [120, 100, 100]],
    ['POT', 2_500, [320, 240, 180]],
    ['POLE', 900, [1_800, 40, 40]],
  ] as const) {
    await items.createItem({
      requestId: requestId(),
      item: {
        sku,
        name: `A ${sku.toLowerCase()}`,
        category: 'kitchen',
        weightGrams,
        dimensions: { lengthMm, widthMm, heightMm },
        taxCategory: 'standard',
      },
    });
    await stock(sku, 'berlin', 1_000);
    await stock(sku, 'london', 1_000);
  }
  await items.createItem({
    requestId: requestId(),
    item: {
      sku: 'SET',
      name: 'A set',
      category: 'kitchen',
      weightGrams: 3_200,
      dimensions: { lengthMm: 400, widthMm: 300, heightMm: 200 },
      taxCategory: 'standard',
      components: [
        { sku: 'MUG', quantity: 2n },
        { sku: 'POT', quantity: 1n },
      ],
    },
  });
}

function stockSetter(address: string): Shop['stock'] {
  const stock = createClient(StockService, transportAs(address, { subject: 'keeper' }));
  return async (sku, locationId, units) => {
    const { stockLevels } = await stock.batchGetStockLevels({ skus: [sku] });
    const onHand = stockLevels.find((level) => level.locationId === locationId)?.onHand ?? 0n;
    if (onHand !== BigInt(units)) {
      await stock.adjustStock({
        requestId: requestId(),
        sku,
        locationId,
        delta: BigInt(units) - onHand,
        reason: StockReason.CORRECTION,
      });
    }
  };
}

async function setPrices(address: string): Promise<void> {
  const transport = transportAs(address, { subject: 'keeper' });
  await createClient(PriceService, transport).batchUpsertPrices({
    requestId: requestId(),
    prices: (
      [
        ['MUG', 1_190n],
        ['POT', 4_900n],
        ['POLE', 2_500n],
        ['SET', 6_900n],
      ] as const
    ).map(([sku, minorUnits]) => ({
      sku,
      unitPrice: { currencyCode: 'EUR', minorUnits },
      minQuantity: 1n,
      taxInclusive: true,
    })),
  });
  const taxes = createClient(TaxService, transport);
  for (const [jurisdiction, ratePpm] of [
    ['DE', 190_000],
    ['GB', 200_000],
  ] as const) {
    await taxes.createTaxRate({
      requestId: requestId(),
      taxRate: { jurisdiction, taxCategory: 'standard', ratePpm, name: 'VAT', startTime: { seconds: 0n } },
    });
  }
}
