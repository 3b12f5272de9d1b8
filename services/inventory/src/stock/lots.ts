/**
 * Lots: units of one item that expire together. A lot's row is part of the stock row's and guarded by that row's lock.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type LotLevel, LotLevelSchema } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { type Level, levelKey } from './level.ts';
import type { HeldItem } from './references.ts';

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

/** A lot as the view stock_now has it: id, expiry in milliseconds since 1970, whether it has expired, on hand, reserved, damaged, in quality control. */
export type LotJson = readonly [string, number, boolean, string, string, string, string];

/** Reads a lot of `stock_now`. */
export function lotOfJson([lotId, expireTime, expired, onHand, reserved, damaged, qualityControl]: LotJson): Lot {
  return {
    lotId,
    expireTime: new Date(expireTime),
    expired,
    onHand: BigInt(onHand),
    reserved: BigInt(reserved),
    damaged: BigInt(damaged),
    qualityControl: BigInt(qualityControl),
  };
}

/** Units of a lot in the state AVAILABLE that nobody is promised. */
export function freeOfLot(lot: Lot): bigint {
  return lot.onHand - lot.reserved - lot.damaged - lot.qualityControl;
}

/**
 * Levels that were locked, with their lots, the first to expire first, and with what has expired. Lots that hold nothing are left out. What
 * is read through stock_now has its lots already.
 */
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

/** A lot at a location, as a booking names it. */
export type NamedLot = {
  readonly sku: string;
  readonly locationId: string;
  readonly lotId: string;
  /** From when on it may not be sold. Needed with the first units that there ever are of the lot; afterwards the same or absent. */
  readonly expireTime?: Date | undefined;
};

/** Names a lot of an item among others, or, with the empty lot, what is of none: neither part can hold a space. */
export function lotKey({ sku, lotId }: Pick<NamedLot, 'sku' | 'lotId'>): string {
  return `${sku} ${lotId}`;
}

/** Why a lot that is named cannot be booked. */
export type LotProblem = {
  readonly reason: 'LOT_REQUIRED' | 'LOT_UNEXPECTED' | 'LOT_NOT_FOUND' | 'LOT_EXPIRY_MISMATCH';
  readonly message: string;
};

/**
 * Checks that a lot is named exactly if the item is kept by lot. Not for what is of no lot (incoming, safety).
 *
 * @throws LOT_REQUIRED, LOT_UNEXPECTED
 */
export function checkLotNamed(item: HeldItem, { sku, lotId }: { readonly sku: string; readonly lotId: string }): void {
  const problem = lotNamedProblem(item, { sku, lotId });
  if (problem !== undefined) {
    throw lotError(problem, { sku, lotId });
  }
}

/** What `checkLotNamed` throws for, as a value. */
export function lotNamedProblem(
  { lotTracked }: HeldItem,
  { sku, lotId }: { readonly sku: string; readonly lotId: string },
): LotProblem | undefined {
  if (lotTracked && lotId === '') {
    return { reason: 'LOT_REQUIRED', message: `${sku} is kept by lot, and none is named` };
  }
  if (!lotTracked && lotId !== '') {
    return { reason: 'LOT_UNEXPECTED', message: `the lot ${lotId} is named, and ${sku} is not kept by lot` };
  }
  return undefined;
}

/**
 * Makes the lots known that postings are about to name: their rows of `lots` and `lot_stock`, so that `post` finds them. Called
 * once in a transaction, for all of its lots, after `lockStock`: the stock rows must be there and locked.
 *
 * @param unknown the reason to fail with for a lot that nobody knows and that comes without expiry: LOT_REQUIRED where units may
 *   come in of new lots, LOT_NOT_FOUND where only known lots can be meant.
 * @returns the lots in the order given, with their units at that location (zero when there are none yet): `freeOfLot` tells how many
 *   may leave.
 * @throws LOT_EXPIRY_MISMATCH, and `unknown`.
 */
export async function knowLots(
  tx: Sql,
  named: readonly NamedLot[],
  unknown: 'LOT_REQUIRED' | 'LOT_NOT_FOUND',
): Promise<Lot[]> {
  const found = await claimLots(tx, named, unknown);
  return found.map((lot, index) => {
    if ('reason' in lot) {
      throw lotError(lot, named[index]);
    }
    return lot;
  });
}

/**
 * What `knowLots` does for those of the lines that name a lot, all at one location and of known lots.
 *
 * @returns the lots by `lotKey`.
 * @throws LOT_NOT_FOUND
 */
export async function knowLotsAt(
  tx: Sql,
  locationId: string,
  lines: readonly Pick<NamedLot, 'sku' | 'lotId'>[],
): Promise<ReadonlyMap<string, Lot>> {
  const named = lines.filter(({ lotId }) => lotId !== '').map(({ sku, lotId }) => ({ sku, locationId, lotId }));
  const lots = await knowLots(tx, named, 'LOT_NOT_FOUND');
  return new Map(lots.map((lot, index) => [lotKey({ sku: named[index]?.sku ?? '', lotId: lot.lotId }), lot]));
}

/** What `knowLots` does, with what it throws for as a value in the lot's place: for who reports many slips at once. */
export async function claimLots(
  tx: Sql,
  named: readonly NamedLot[],
  unknown: 'LOT_REQUIRED' | 'LOT_NOT_FOUND',
): Promise<(Lot | LotProblem)[]> {
  if (named.length === 0) {
    return [];
  }
  const expireTimes = named.map(({ expireTime }) => expireTime ?? null);
  const skus = named.map(({ sku }) => sku);
  const lotIds = named.map(({ lotId }) => lotId);
  if (expireTimes.some((time) => time !== null)) {
    // Apart from what follows, which must see what another transaction inserted first: two may bring the first units of a lot to two locations.
    await tx.query({
      name: 'lots_begin',
      text: `
        INSERT INTO lots (sku, lot_id, expire_time)
        SELECT DISTINCT ON (sku, lot_id) sku, lot_id, expire_time
        FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS n(sku, lot_id, expire_time, number)
        WHERE expire_time IS NOT NULL
        ORDER BY sku, lot_id, number
        ON CONFLICT DO NOTHING`,
      values: [skus, lotIds, expireTimes],
    });
  }
  const { rows } = await tx.query<LotRow>({
    name: 'lots_know',
    text: `
      WITH named AS MATERIALIZED (
        SELECT n.sku COLLATE "C" AS sku, n.location_id COLLATE "C" AS location_id, n.lot_id COLLATE "C" AS lot_id, n.number, l.expire_time
        FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS n(sku, location_id, lot_id, number)
        LEFT JOIN lots l ON l.sku = n.sku AND l.lot_id = n.lot_id
      ), begun AS (
        INSERT INTO lot_stock (sku, location_id, lot_id)
        SELECT sku, location_id, lot_id FROM named WHERE expire_time IS NOT NULL
        ON CONFLICT DO NOTHING
      )
      SELECT n.sku, n.location_id, n.lot_id, n.expire_time, n.expire_time <= now() AS expired, coalesce(x.on_hand, 0) AS on_hand,
        coalesce(x.reserved, 0) AS reserved, coalesce(x.damaged, 0) AS damaged, coalesce(x.quality_control, 0) AS quality_control
      FROM named n LEFT JOIN lot_stock x USING (sku, location_id, lot_id)
      ORDER BY n.number`,
    values: [skus, named.map(({ locationId }) => locationId), lotIds],
  });
  return rows.map((row, index) => {
    // A left join: a lot that is not known has no expiry.
    const known: Date | null = row.expire_time;
    const { sku, lot_id: lotId } = row;
    if (known === null) {
      return unknown === 'LOT_NOT_FOUND'
        ? { reason: unknown, message: `${sku} has no lot ${lotId}` }
        : { reason: unknown, message: `the lot ${lotId} of ${sku} is new, and its expiry is missing` };
    }
    const given = expireTimes[index] ?? known;
    return given.getTime() === known.getTime()
      ? lotOf(row)
      : { reason: 'LOT_EXPIRY_MISMATCH', message: `the lot ${lotId} of ${sku} expires at ${known.toISOString()}` };
  });
}

function lotError(
  { reason, message }: LotProblem,
  named: { readonly sku: string; readonly lotId: string } | undefined,
) {
  return fail(reason, message, named === undefined ? {} : { sku: named.sku, lot_id: named.lotId });
}
