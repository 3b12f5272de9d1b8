/**
 * Lots: units of one item that expire together. A lot's row is part of the stock row's and guarded by that row's lock.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type LotLevel, LotLevelSchema } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { type Level, levelKey } from './level.ts';

/** The units of one lot at one location. */
export type Lot = {
  readonly lotId: string;
  readonly expireTime: Date;
  /** By the database's clock, at the beginning of the transaction. */
  readonly expired: boolean;
  readonly onHand: bigint;
  readonly reserved: bigint;
  readonly damaged: bigint;
  readonly qualityControl: bigint;
};

type LotRow = {
  readonly sku: string;
  readonly location_id: string;
  readonly lot_id: string;
  readonly expire_time: Date;
  readonly expired: boolean;
  readonly on_hand: bigint;
  readonly reserved: bigint;
  readonly damaged: bigint;
  readonly quality_control: bigint;
};

/** Units of a lot in the state AVAILABLE that nobody is promised. */
export function freeOfLot(lot: Lot): bigint {
  return lot.onHand - lot.reserved - lot.damaged - lot.qualityControl;
}

/** The levels with their lots, the first to expire first, and with what has expired. Lots that hold nothing are left out. */
export async function withLots(db: Sql, levels: readonly Level[]): Promise<Level[]> {
  const byLevel = await readLots(db, [...new Set(levels.map(({ sku }) => sku))]);
  return levels.map((level) => {
    const lots = byLevel.get(levelKey(level)) ?? [];
    return lots.length === 0 ? level : { ...level, lots, expired: expiredUnits(lots) };
  });
}

/** The lots of these items, by the key of their level. */
async function readLots(db: Sql, skus: readonly string[]): Promise<Map<string, Lot[]>> {
  const { rows } = await db.query<LotRow>({
    name: 'lots_read',
    text: `
      SELECT x.sku, x.location_id, x.lot_id, l.expire_time, l.expire_time <= now() AS expired,
        x.on_hand, x.reserved, x.damaged, x.quality_control
      FROM lot_stock x JOIN lots l USING (sku, lot_id)
      WHERE x.sku = ANY($1::text[]) AND x.on_hand > 0
      ORDER BY l.expire_time, x.lot_id`,
    values: [skus],
  });
  const byLevel = Map.groupBy(rows, (row) => levelKey({ sku: row.sku, locationId: row.location_id }));
  return new Map([...byLevel].map(([key, lots]) => [key, lots.map(lotOf)]));
}

function lotOf(row: LotRow): Lot {
  return {
    lotId: row.lot_id,
    expireTime: row.expire_time,
    expired: row.expired,
    onHand: row.on_hand,
    reserved: row.reserved,
    damaged: row.damaged,
    qualityControl: row.quality_control,
  };
}

function expiredUnits(lots: readonly Lot[]): bigint {
  return lots.filter(({ expired }) => expired).reduce((sum, lot) => sum + freeOfLot(lot), 0n);
}

/** The lot as clients see it. */
export function lotMessage(lot: Lot): LotLevel {
  return create(LotLevelSchema, { ...lot, expireTime: timestampFromDate(lot.expireTime) });
}
