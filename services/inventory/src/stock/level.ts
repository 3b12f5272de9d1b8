/**
 * The stock of one item at one location, as rows of the database and as messages of the contract.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type StockLevel, StockLevelSchema } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { type Lot, type LotJson, lotMessage, lotOfJson } from './lots.ts';

/** The columns of `stock` that its readers and writers share. */
export type StockRow = {
  readonly sku: string;
  readonly location_id: string;
  readonly on_hand: bigint;
  readonly reserved: bigint;
  readonly damaged: bigint;
  readonly quality_control: bigint;
  readonly safety: bigint;
  readonly incoming: bigint;
  readonly backordered: bigint;
  readonly low_stock_threshold: bigint;
  readonly update_time: Date;
  /** Of `stock_now` only, as is what follows. */
  readonly expired?: bigint;
  /** Null where there are none. */
  readonly lots?: readonly LotJson[] | null;
};

/** Those columns, of the alias `s`. */
export const STOCK_COLUMNS = `
  s.sku, s.location_id, s.on_hand, s.reserved, s.damaged, s.quality_control, s.safety, s.incoming, s.backordered,
  s.low_stock_threshold, s.update_time`;

/** The columns of the view `stock_now`, of the alias `s`. */
export const STOCK_NOW_COLUMNS = `${STOCK_COLUMNS}, s.expired, s.lots`;

/** The most units that may be on hand, on the way or kept back, as the table's CHECK has it. */
export const MAX_UNITS = 1_000_000_000_000n;

/** One item at one location, in units. */
export type Level = {
  readonly sku: string;
  readonly locationId: string;
  readonly onHand: bigint;
  readonly reserved: bigint;
  readonly damaged: bigint;
  readonly qualityControl: bigint;
  /** Free units of lots that have expired; 0 for items that are not kept by lot. */
  readonly expired: bigint;
  readonly safety: bigint;
  readonly incoming: bigint;
  readonly backordered: bigint;
  readonly lowStockThreshold: bigint;
  readonly updateTime: Date;
  /** The first to expire first; none for items that are not kept by lot, and none of a locked level before `withLots` has read them. */
  readonly lots: readonly Lot[];
};

/** Reads a row; with its lots when it is of `stock_now`. */
export function levelOf(row: StockRow): Level {
  return {
    sku: row.sku,
    locationId: row.location_id,
    onHand: row.on_hand,
    reserved: row.reserved,
    damaged: row.damaged,
    qualityControl: row.quality_control,
    expired: row.expired ?? 0n,
    safety: row.safety,
    incoming: row.incoming,
    backordered: row.backordered,
    lowStockThreshold: row.low_stock_threshold,
    updateTime: row.update_time,
    lots: (row.lots ?? []).map(lotOfJson),
  };
}

/** Units on hand that cannot be sold. */
export function unavailable(level: Level): bigint {
  return level.damaged + level.qualityControl + level.expired;
}

/** Units that can be sold. Below zero when safety stock is eaten into or units are backordered. */
export function available(level: Level): bigint {
  return level.onHand - level.reserved - unavailable(level) - level.safety;
}

/**
 * Units in the state AVAILABLE that could be taken away without breaking a promise: safety stock is no promise, and what is backordered
 * is not promised of what is on hand. Those of expired lots count, since throwing them away is what one does with them.
 */
export function removable(level: Level): bigint {
  return level.onHand - (level.reserved - level.backordered) - level.damaged - level.qualityControl;
}

/** The level as clients see it. */
export function levelMessage(level: Level): StockLevel {
  return create(StockLevelSchema, {
    sku: level.sku,
    locationId: level.locationId,
    onHand: level.onHand,
    reserved: level.reserved,
    unavailable: unavailable(level),
    safety: level.safety,
    available: available(level),
    updateTime: timestampFromDate(level.updateTime),
    incoming: level.incoming,
    damaged: level.damaged,
    qualityControl: level.qualityControl,
    expired: level.expired,
    backordered: level.backordered,
    lowStockThreshold: level.lowStockThreshold,
    lots: level.lots.map(lotMessage),
  });
}

/** Names a level among others: neither part can hold a space. */
export function levelKey({ sku, locationId }: { readonly sku: string; readonly locationId: string }): string {
  return `${sku} ${locationId}`;
}
