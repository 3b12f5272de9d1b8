/**
 * What submitting and approving a count have in common: items, location, the count and its stock rows are taken in hand in the one order of
 * stock/lock.ts.
 */

import type { Count } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import type { Level } from '../stock/level.ts';
import { lockStock } from '../stock/lock.ts';
import { knowLots, type Lot } from '../stock/lots.ts';
import { ensureStock, type HeldItem, holdLocations } from '../stock/references.ts';
import { lockCount, readCount } from './count.ts';

/** A count, locked until the transaction ends, and its items. */
export type TakenCount = { readonly count: Count; readonly items: ReadonlyMap<string, HeldItem> };

/**
 * Locks a count and holds its items, those too that were deleted since it was opened: what lies there is corrected all the same. A count
 * that is open keeps its location from being deleted.
 *
 * @throws COUNT_NOT_FOUND, and what `check` throws.
 */
export async function takeCount(tx: Sql, countId: string, check: (count: Count) => void): Promise<TakenCount> {
  const { skus, locationId } = await readCount(tx, countId);
  const { rows } = await tx.query<{ sku: string; is_kit: boolean; lot_tracked: boolean }>({
    name: 'count_items_hold',
    text: 'SELECT sku, is_kit, lot_tracked FROM items WHERE sku = ANY($1::text[]) ORDER BY sku FOR KEY SHARE',
    values: [skus],
  });
  await holdLocations(tx, [locationId]);
  const count = await lockCount(tx, countId);
  check(count);
  const items = rows.map((row) => [row.sku, { isKit: row.is_kit, lotTracked: row.lot_tracked }] as const);
  return { count, items: new Map(items) };
}

/** A line, as far as it names stock. */
type Named = { readonly sku: string; readonly lotId: string };

/** Stock of a count's lines, locked: levels by SKU, lots in the order of the lines, undefined for a line that names none. */
export type TakenStock = { readonly levels: ReadonlyMap<string, Level>; readonly lots: readonly (Lot | undefined)[] };

/**
 * Locks the stock that lines are about, so that every booking that has committed is seen and none comes in between.
 *
 * @throws LOT_NOT_FOUND
 */
export async function takeStock(tx: Sql, { locationId }: Count, lines: readonly Named[]): Promise<TakenStock> {
  const skus = [...new Set(lines.map(({ sku }) => sku))];
  await ensureStock(
    tx,
    skus.map((sku) => ({ sku, locationId })),
  );
  const levels = (await lockStock(tx, skus)).filter((level) => level.locationId === locationId);
  const named = lines.filter(({ lotId }) => lotId !== '').map(({ sku, lotId }) => ({ sku, lotId, locationId }));
  const known = (await knowLots(tx, named, 'LOT_NOT_FOUND')).values();
  return {
    levels: new Map(levels.map((level) => [level.sku, level])),
    lots: lines.map(({ lotId }) => (lotId === '' ? undefined : known.next().value)),
  };
}

/** The level of a line whose stock was taken. */
export function levelOfLine({ levels }: TakenStock, { sku }: Named): Level {
  const level = levels.get(sku);
  if (level === undefined) {
    throw new Error(`the stock row of ${sku} vanished under its count's lock`);
  }
  return level;
}
