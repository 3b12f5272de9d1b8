/**
 * What AdjustStock, SetStock and MoveStock have in common: one item at one location is held and locked, its lot made known, the outcome
 * checked and booked, and the level shown as it is then.
 */

import type { LedgerEntry, StockLevel } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { itemNotFound, kitHasNoStock } from '../items/item.ts';
import { locationNotFound } from '../locations/location.ts';
import { type Occasion, post } from './ledger.ts';
import { type Level, levelMessage, MAX_UNITS } from './level.ts';
import { lockStock } from './lock.ts';
import { checkLotNamed, knowLots, type Lot, withLots } from './lots.ts';
import { ensureStock, type HeldItem, holdItems, holdLocations } from './references.ts';
import { isOfLot, isWithinBounds, type Units } from './states.ts';

/** Where units are booked. */
export type Place = { readonly sku: string; readonly locationId: string };

/** The lot that a request names; empty for none. */
export type LotNamed = { readonly lotId: string; readonly expireTime: Date | undefined };

/** An item at a location, locked until the transaction ends. */
export type Opened = { readonly item: HeldItem; readonly level: Level };

/**
 * Locks one item at one location. A location that is deactivated still takes bookings: people must be able to clear it.
 *
 * @throws ITEM_NOT_FOUND, LOCATION_NOT_FOUND, KIT_HAS_NO_STOCK
 */
export async function openPlace(tx: Sql, { sku, locationId }: Place): Promise<Opened> {
  const item = (await holdItems(tx, [sku])).get(sku);
  if (item === undefined) {
    throw itemNotFound(sku);
  }
  if (!(await holdLocations(tx, [locationId])).has(locationId)) {
    throw locationNotFound(locationId);
  }
  if (item.isKit) {
    throw kitHasNoStock(sku);
  }
  await ensureStock(tx, [{ sku, locationId }]);
  const levels = await lockStock(tx, [sku]);
  const level = levels.find((one) => one.sku === sku && one.locationId === locationId);
  if (level === undefined) {
    throw new Error(`the stock row of ${sku} at ${locationId} vanished under its location's lock`);
  }
  return { item, level };
}

/**
 * The lot that units are booked of; undefined when they are of none. Whether one must be named follows from the item and from what is booked.
 *
 * @throws LOT_REQUIRED, LOT_UNEXPECTED, LOT_EXPIRY_MISMATCH
 */
export async function openLot(
  tx: Sql,
  { item, level: { sku, locationId } }: Opened,
  { lotId, expireTime }: LotNamed,
  ofLot: boolean,
): Promise<Lot | undefined> {
  if (!ofLot && lotId !== '') {
    throw fail('LOT_UNEXPECTED', `the lot ${lotId} is named, and what is booked is of no lot`, { sku, lot_id: lotId });
  }
  if (ofLot) {
    checkLotNamed(item, { sku, lotId });
  }
  if (lotId === '') {
    return undefined;
  }
  const [lot] = await knowLots(tx, [{ sku, locationId, lotId, expireTime }], 'LOT_REQUIRED');
  return lot;
}

/** Units on the way to a location that belong to transfers. Its stock row's lock keeps them from changing meanwhile. */
export async function readTransferred(tx: Sql, { sku, locationId }: Place): Promise<bigint> {
  const { rows } = await tx.query<{ units: bigint }>({
    name: 'stock_transferred',
    text: `
      SELECT coalesce(sum(l.quantity - l.accepted_quantity - l.rejected_quantity - l.returned_quantity), 0)::bigint AS units
      FROM transfers t JOIN transfer_lines l USING (transfer_id)
      WHERE t.destination_location_id = $2 AND t.state IN (2, 3) AND l.sku = $1`,
    values: [sku, locationId],
  });
  return rows[0]?.units ?? 0n;
}

/** @throws INSUFFICIENT_STOCK when more units are to leave than may. */
export function checkFree({ sku, locationId }: Place, requested: bigint, free: bigint, state: string): void {
  if (requested > free) {
    const message = `${requested} units of ${sku} are to be taken off at ${locationId}, and ${free} are ${state}`;
    const metadata = { sku, location_id: locationId, requested: `${requested}`, available: `${free}` };
    throw fail('INSUFFICIENT_STOCK', message, metadata);
  }
}

/** @throws QUANTITY_OUT_OF_RANGE when a balance would leave its range. */
export function checkBounds(level: Level, units: Units): void {
  if (!isWithinBounds(level, units)) {
    const { sku, locationId, onHand } = level;
    const message = `${onHand} units of ${sku} are on hand at ${locationId}, ${level.incoming} on the way and ${level.safety} kept back, and at most ${MAX_UNITS} each may be`;
    throw fail('QUANTITY_OUT_OF_RANGE', message, { sku, location_id: locationId, on_hand: `${onHand}` });
  }
}

/** Books units at a level that is open. What was checked before holds: the row is locked. */
export async function bookAt(
  tx: Sql,
  { level: { sku, locationId } }: Opened,
  units: Units,
  lot: Lot | undefined,
  occasion: Occasion,
): Promise<{ level: Level; entry: LedgerEntry }> {
  const lotId = lot !== undefined && isOfLot(units) ? { lotId: lot.lotId } : {};
  const { levels, entries } = await post(tx, [{ sku, locationId, ...lotId, ...units }], occasion);
  const [level, entry] = [levels[0], entries[0]];
  if (level === undefined || entry === undefined) {
    throw new Error(`a posting of ${sku} at ${locationId} made no entry`);
  }
  return { level, entry };
}

/** The level as it is in this transaction, with its lots. */
export async function shown(tx: Sql, { item }: Opened, level: Level): Promise<StockLevel> {
  const [withThem = level] = item.lotTracked ? await withLots(tx, [level]) : [level];
  return levelMessage(withThem);
}
