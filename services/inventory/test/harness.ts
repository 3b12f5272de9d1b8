/**
 * Inventory for tests: the real services on a real socket and a real database, with typed clients. The test takes the part of
 * the sidecar: it says who calls.
 */

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { CountService } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { type Item, ItemSchema } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { type Location, LocationSchema } from '@weft/gen/weft/inventory/v1/location_pb.js';
import { LocationService } from '@weft/gen/weft/inventory/v1/location_service_pb.js';
import { ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockReason, StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { TransferService } from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import { AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { DimensionsSchema } from '@weft/gen/weft/type/v1/dimensions_pb.js';
import type { Pool } from 'pg';
import { requestId, transportAs } from '../../../dev/src/testing/calls.ts';
import { host, openTestDatabase } from '../../../dev/src/testing/hosted.ts';
import { type InventoryOptions, openInventory } from '../src/inventory.ts';

/** The services' clients, as one caller. */
export type Clients = {
  readonly items: Client<typeof ItemService>;
  readonly locations: Client<typeof LocationService>;
  readonly availability: Client<typeof AvailabilityService>;
  readonly stock: Client<typeof StockService>;
  readonly reservations: Client<typeof ReservationService>;
  readonly transfers: Client<typeof TransferService>;
  readonly counts: Client<typeof CountService>;
};

/** Inventory as a test sees it. */
export type TestInventory = Clients & {
  /** Clients of another workload, such as `pricing`. The test itself is `shipping`. */
  as(workload: string): Clients;
  /** For what typed clients cannot say. */
  readonly address: string;
  /** For looking at the tables and for invariants. */
  readonly pool: Pool;
  stop(): Promise<void>;
};

/** A long time: for tests that tidy, or see that nobody tidies, themselves. */
export const NEVER_MS = 3_600_000;

/** Starts inventory on an empty database. Holds that ran out are swept every `sweepIntervalMs`. */
export async function startInventory({ sweepIntervalMs = 200 } = {}): Promise<TestInventory> {
  const database = await openTestDatabase('inventory');
  const replica = await startReplica(database.url, { sweepIntervalMs });
  return {
    ...replica,
    pool: database.pool,
    async stop() {
      await replica.stop();
      await database.drop();
    },
  };
}

/** Starts one more inventory on a database that is there already. */
export async function startReplica(
  databaseUrl: string,
  { sweepIntervalMs = NEVER_MS, ...options }: Omit<InventoryOptions, 'databaseUrl'> = {},
): Promise<Omit<TestInventory, 'pool'>> {
  const inventory = await host('inventory', openInventory({ databaseUrl, sweepIntervalMs, ...options }));
  const as = (workload: string): Clients => {
    const transport = transportAs(inventory.address, { workload });
    return {
      items: createClient(ItemService, transport),
      locations: createClient(LocationService, transport),
      availability: createClient(AvailabilityService, transport),
      stock: createClient(StockService, transport),
      reservations: createClient(ReservationService, transport),
      transfers: createClient(TransferService, transport),
      counts: createClient(CountService, transport),
    };
  };
  return { ...as('shipping'), as, address: inventory.address, stop: () => inventory.stop() };
}

/** Starts two inventories on one empty database, and gives what to look at its tables with. */
export async function startTwo(): Promise<{
  replicas: readonly [Clients, Clients];
  pool: Pool;
  stop(): Promise<void>;
}> {
  const database = await openTestDatabase('inventory');
  const replicas = [await startReplica(database.url), await startReplica(database.url)] as const;
  return {
    replicas,
    pool: database.pool,
    async stop() {
      await Promise.all(replicas.map((replica) => replica.stop()));
      await database.drop();
    },
  };
}

/** Fields of an item, as for `create`. */
type ItemFields = Extract<MessageInitShape<typeof ItemSchema>, { $typeName?: never }> & { sku: string };
type LocationFields = Extract<MessageInitShape<typeof LocationSchema>, { $typeName?: never }> & { locationId: string };

/** Creates an item; what is not given is ordinary. */
export async function addItem({ items }: Clients, item: ItemFields) {
  const { item: created } = await items.createItem({ requestId: requestId(), item: anItem(item) });
  return created ?? create(ItemSchema);
}

/** An ordinary item. */
export function anItem(item: ItemFields): Item {
  return create(ItemSchema, {
    name: `Item ${item.sku}`,
    category: 'kitchen',
    weightGrams: 300,
    dimensions: create(DimensionsSchema, { lengthMm: 120, widthMm: 90, heightMm: 80 }),
    taxCategory: 'standard',
    ...item,
  });
}

/** Creates a location; what is not given is ordinary. */
export async function addLocation({ locations }: Clients, location: LocationFields) {
  const { location: created } = await locations.createLocation({
    requestId: requestId(),
    location: aLocation(location),
  });
  return created ?? create(LocationSchema);
}

/** An ordinary location. */
export function aLocation(location: LocationFields): Location {
  return create(LocationSchema, {
    name: `Warehouse ${location.locationId}`,
    address: create(AddressSchema, {
      lines: ['Hafenstrasse 1'],
      city: 'Hamburg',
      postalCode: '20457',
      countryCode: 'DE',
    }),
    timeZone: 'Europe/Berlin',
    pickPriority: 10,
    ...location,
  });
}

/** Books units in, or, negative, out. */
export async function addStock({ stock }: Clients, sku: string, locationId: string, units: number) {
  return await stock.adjustStock({
    requestId: requestId(),
    sku,
    locationId,
    delta: BigInt(units),
    reason: StockReason.RECEIVED,
  });
}

/** One level; undefined when there is none. */
export async function levelAt({ stock }: Clients, sku: string, locationId: string) {
  const { stockLevels } = await stock.batchGetStockLevels({ skus: [sku], locationId });
  return stockLevels[0];
}
