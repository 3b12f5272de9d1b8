/**
 * The stock of one item at one location, as rows of the database and as messages of the contract.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type StockLevel, StockLevelSchema } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';

/** The columns of `stock` and of `stock_now`. */
export type StockRow = {
  readonly sku: string;
  readonly location_id: string;
  readonly on_hand: bigint;
  readonly reserved: bigint;
  readonly unavailable: bigint;
  readonly safety: bigint;
  readonly update_time: Date;
};

/** Those columns, of the alias `s`. */
export const STOCK_COLUMNS = 's.sku, s.location_id, s.on_hand, s.reserved, s.unavailable, s.safety, s.update_time';

/** The most units that may be on hand or kept back, as the table's CHECK has it. */
export const MAX_UNITS = 1_000_000_000_000n;

/** One item at one location, in units. */
export type Level = {
  readonly sku: string;
  readonly locationId: string;
  readonly onHand: bigint;
  readonly reserved: bigint;
  readonly unavailable: bigint;
  readonly safety: bigint;
  readonly updateTime: Date;
};

/** Reads a row. */
export function levelOf(row: StockRow): Level {
  return {
    sku: row.sku,
    locationId: row.location_id,
    onHand: row.on_hand,
    reserved: row.reserved,
    unavailable: row.unavailable,
    safety: row.safety,
    updateTime: row.update_time,
  };
}

/** Units that can be sold. Below zero when safety stock is eaten into. */
export function available(level: Level): bigint {
  return level.onHand - level.reserved - level.unavailable - level.safety;
}

/** Units that could be taken away without breaking a promise: safety stock is no promise. */
export function removable(level: Level): bigint {
  return level.onHand - level.reserved - level.unavailable;
}

/** The level as clients see it. */
export function levelMessage(level: Level): StockLevel {
  return create(StockLevelSchema, {
    sku: level.sku,
    locationId: level.locationId,
    onHand: level.onHand,
    reserved: level.reserved,
    unavailable: level.unavailable,
    safety: level.safety,
    available: available(level),
    updateTime: timestampFromDate(level.updateTime),
  });
}
