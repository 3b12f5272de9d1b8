/**
 * Inventory as a whole: its services on one database, and what runs beside them.
 */

import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { CountService } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { LocationService } from '@weft/gen/weft/inventory/v1/location_service_pb.js';
import { ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { TransferService } from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import { Changefeed } from '@weft/runtime/data/changefeed';
import { every, purging, type Running } from '@weft/runtime/data/jobs';
import { openPool } from '@weft/runtime/data/pool';
import { type Implementation, implement } from '@weft/runtime/server/implement';
import { availabilityService } from './availability/service.ts';
import { countService } from './counts/service.ts';
import { openDatabase } from './database.ts';
import { releaseTeller } from './items/release.ts';
import { itemService } from './items/service.ts';
import { locationService } from './locations/service.ts';
import { reservationService } from './reservations/service.ts';
import { sweepExpired } from './reservations/sweep.ts';
import { tellExpired } from './stock/expiry.ts';
import { purgeImports } from './stock/import-progress.ts';
import { stockService } from './stock/service.ts';
import { transferService } from './transfers/service.ts';

/** Where inventory's database is, and how often it is swept. */
export type InventoryOptions = {
  readonly databaseUrl: string;
  /** Pause between two sweeps of holds that ran out, in milliseconds. Default 1,000. */
  readonly sweepIntervalMs?: number;
  /** Callers of CreateReservation that may wait for their batch; one more is OVERLOADED. Default 2,048. */
  readonly maxWaitingReservations?: number;
};

/** Inventory, ready to be served. */
export type Inventory = {
  readonly services: readonly Implementation[];
  /** Ends what runs beside the services, then the connections. */
  close(): Promise<void>;
};

const SWEEP_INTERVAL_MS = 1_000;
const PURGE_INTERVAL_MS = 600_000;
/** At several thousand a second they wait less than half of their deadline. */
const MAX_WAITING_RESERVATIONS = 2_048;

/** Puts the services on a database and starts to sweep and to follow its changes. */
export function openInventory({
  databaseUrl,
  sweepIntervalMs = SWEEP_INTERVAL_MS,
  maxWaitingReservations = MAX_WAITING_RESERVATIONS,
}: InventoryOptions): Inventory {
  const pool = openPool({ databaseUrl, workload: 'inventory' });
  const database = openDatabase(pool);
  const changefeed = new Changefeed({ pool, databaseUrl });
  changefeed.start();
  const background: readonly Running[] = [
    changefeed,
    every(sweepIntervalMs, 'the sweep of expired holds', (signal) => sweepExpired(pool, signal)),
    every(sweepIntervalMs, 'the news of expired lots', (signal) => tellExpired(pool, signal)),
    every(sweepIntervalMs, 'the news of released items', releaseTeller(pool)),
    purging(pool),
    every(PURGE_INTERVAL_MS, 'the purge of old imports', () => purgeImports(pool)),
  ];
  return {
    services: [
      implement(ItemService, itemService(database, changefeed)),
      implement(LocationService, locationService(database)),
      implement(AvailabilityService, availabilityService(database, changefeed)),
      implement(StockService, stockService(database, changefeed)),
      implement(ReservationService, reservationService(database, changefeed, maxWaitingReservations)),
      implement(TransferService, transferService(database)),
      implement(CountService, countService(database)),
    ],
    async close() {
      await Promise.all(background.map((running) => running.stop()));
      await database.prisma.$disconnect();
      await pool.end();
    },
  };
}
