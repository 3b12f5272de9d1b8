/**
 * What shipping, receiving and cancelling have in common: the transfer, its items, locations and stock rows are taken in hand in the one
 * order of stock/lock.ts, and its lots made known.
 */

import type { Transfer } from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { type Level, levelKey, MAX_UNITS } from '../stock/level.ts';
import { lockStock } from '../stock/lock.ts';
import { ensureStock, type HeldItem, holdItemsEvenDeleted, holdLocations } from '../stock/references.ts';
import { lockTransfer, readTransfer } from './transfer.ts';

/** A transfer, its items and the stock that it is about, held or locked until the transaction ends. */
export type OpenedTransfer = {
  readonly transfer: Transfer;
  readonly items: ReadonlyMap<string, HeldItem>;
  readonly levels: ReadonlyMap<string, Level>;
};

/**
 * Locks a transfer with the stock of its items. Items that were deleted and locations that were deactivated since it was drafted do not
 * matter: goods that exist must be able to arrive or go back. An open transfer keeps its locations from being deleted.
 *
 * @param movesUnits says whether units of the transfer are to move, and throws for a state that does not do.
 * @returns the transfer alone when none are: its stock is not made, for its locations may be gone.
 * @throws TRANSFER_NOT_FOUND, and what `movesUnits` throws.
 */
export async function openTransfer(
  tx: Sql,
  transferId: string,
  movesUnits: (transfer: Transfer) => boolean,
): Promise<OpenedTransfer> {
  const { lines, sourceLocationId, destinationLocationId } = await readTransfer(tx, transferId);
  const skus = [...new Set(lines.map(({ sku }) => sku))];
  const items = await holdItemsEvenDeleted(tx, skus);
  await holdLocations(tx, [sourceLocationId, destinationLocationId]);
  const transfer = await lockTransfer(tx, transferId);
  if (!movesUnits(transfer)) {
    return { transfer, items, levels: new Map() };
  }
  await ensureStock(
    tx,
    skus.flatMap((sku) => [
      { sku, locationId: sourceLocationId },
      { sku, locationId: destinationLocationId },
    ]),
  );
  const levels = await lockStock(tx, skus);
  return { transfer, items, levels: new Map(levels.map((level) => [levelKey(level), level])) };
}

/** A level of an opened transfer. */
export function levelIn({ levels }: OpenedTransfer, sku: string, locationId: string): Level {
  const level = levels.get(levelKey({ sku, locationId }));
  if (level === undefined) {
    throw new Error(`the stock row of ${sku} at ${locationId} vanished under its transfer's lock`);
  }
  return level;
}

/** @throws QUANTITY_OUT_OF_RANGE when more units would be in a balance than there may be. */
export function checkMost(level: Level, balance: 'onHand' | 'incoming', units: bigint): void {
  if (level[balance] + units > MAX_UNITS) {
    const { sku, locationId } = level;
    const what = balance === 'onHand' ? 'on hand' : 'on the way';
    const message = `${level[balance]} units of ${sku} are ${what} at ${locationId}, and at most ${MAX_UNITS} may be`;
    throw fail('QUANTITY_OUT_OF_RANGE', message, { sku, location_id: locationId });
  }
}

/** Units by SKU: lines of several lots of an item change one level. */
export function unitsBySku(lines: readonly { readonly sku: string; readonly units: bigint }[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { sku, units } of lines) {
    sums.set(sku, (sums.get(sku) ?? 0n) + units);
  }
  return sums;
}
