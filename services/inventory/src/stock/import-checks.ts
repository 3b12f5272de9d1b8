/**
 * What can be wrong with a row of a stock import, found without asking the database anything more.
 */

import type { StockRow as ImportRow } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Reason } from '@weft/runtime/errors/catalogue';
import { type Level, levelKey, MAX_UNITS, removable } from './level.ts';
import { freeOfLot, type Lot, lotNamedProblem } from './lots.ts';
import type { HeldItem, HeldLocation } from './references.ts';

/** What is wrong. */
export type Problem = { readonly reason: Reason; readonly message: string };

/** What the rows of a chunk are checked against. */
export type Known = {
  readonly items: ReadonlyMap<string, HeldItem>;
  readonly locations: ReadonlyMap<string, HeldLocation>;
  /** Of the rows before: the line by item, location and lot, and the safety stock by item and location. */
  readonly earlier: { readonly lines: Map<string, bigint>; readonly safety: Map<string, bigint> };
};

/** Largest quantity of a row. */
const MAX_ROW_UNITS = 1_000_000_000n;
export const SKU_OF_ROW = /^[A-Z0-9][A-Z0-9._-]{0,63}$/;
export const LOCATION_ID_OF_ROW = /^[a-z0-9][a-z0-9-]{0,62}$/;
const LOT_ID = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$/;
/** A name that is no name is shown in part: errors are for reading. */
const SHOWN_CHARACTERS = 64;

/** What is wrong with a row by itself and beside those before it, which it joins. */
export function checkRow(row: ImportRow, line: bigint, { items, locations, earlier }: Known): Problem | undefined {
  const problem = checkNames(row, items, locations) ?? checkUnits(row);
  if (problem !== undefined) {
    return problem;
  }
  const key = levelKey(row);
  const lotKey = `${key} ${row.lotId}`;
  const [before, safety] = [earlier.lines.get(lotKey), earlier.safety.get(key)];
  earlier.lines.set(lotKey, before ?? line);
  earlier.safety.set(key, safety ?? row.safety);
  if (before !== undefined) {
    const message = `line ${before} has the same item and location${row.lotId === '' ? '' : ' and lot'}`;
    return { reason: 'IMPORT_ROW_DUPLICATE', message };
  }
  if (safety !== undefined && safety !== row.safety) {
    const message = `safety is ${row.safety}, and ${safety} in an earlier row of the same item and location`;
    return { reason: 'IMPORT_ROW_DUPLICATE', message };
  }
  return undefined;
}

function checkNames(
  row: ImportRow,
  items: ReadonlyMap<string, HeldItem>,
  locations: ReadonlyMap<string, HeldLocation>,
): Problem | undefined {
  const item = items.get(row.sku);
  if (item === undefined) {
    return { reason: 'ITEM_NOT_FOUND', message: `no item has the SKU ${shown(row.sku)}` };
  }
  if (!locations.has(row.locationId)) {
    return { reason: 'LOCATION_NOT_FOUND', message: `no location has the id ${shown(row.locationId)}` };
  }
  if (item.isKit) {
    return { reason: 'KIT_HAS_NO_STOCK', message: `${row.sku} is a kit: its components have stock` };
  }
  if (item.lotTracked && row.lotId !== '' && !LOT_ID.test(row.lotId)) {
    return { reason: 'LOT_REQUIRED', message: `${shown(row.lotId)} cannot be the id of a lot` };
  }
  const lotId = row.lotId === '' || LOT_ID.test(row.lotId) ? row.lotId : shown(row.lotId);
  return lotNamedProblem(item, { sku: row.sku, lotId });
}

function checkUnits(row: ImportRow): Problem | undefined {
  for (const [name, units] of [
    ['on_hand', row.onHand],
    ['safety', row.safety],
  ] as const) {
    if (units < 0n || units > MAX_ROW_UNITS) {
      return { reason: 'QUANTITY_OUT_OF_RANGE', message: `${name} is ${units}: it must be 0 to ${MAX_ROW_UNITS}` };
    }
  }
  return undefined;
}

/** A row beside the stock as it is, which is locked. */
type Opened = { readonly row: ImportRow; readonly level: Level; readonly lot?: Lot };

/**
 * What is wrong with a row beside the stock.
 *
 * @param added units that the rows before add to each level, to which it adds its own.
 */
export function checkStock({ row, level, lot }: Opened, added: Map<string, bigint>): Problem | undefined {
  const [onHand, free] = lot === undefined ? [level.onHand, removable(level)] : [lot.onHand, freeOfLot(lot)];
  if (row.onHand < onHand - free) {
    const message = `on_hand is ${row.onHand}, and ${onHand - free} units are reserved or unavailable there`;
    return { reason: 'INSUFFICIENT_STOCK', message };
  }
  const units = (added.get(levelKey(row)) ?? 0n) + row.onHand - onHand;
  added.set(levelKey(row), units);
  return level.onHand + units > MAX_UNITS
    ? { reason: 'QUANTITY_OUT_OF_RANGE', message: `more than ${MAX_UNITS} units would be on hand, of all lots` }
    : undefined;
}

/** Each name once, sorted; what cannot be a name is left out and so is not found. */
export function namesOf(rows: readonly ImportRow[], name: (row: ImportRow) => string, pattern: RegExp): string[] {
  return [...new Set(rows.map(name).filter((text) => pattern.test(text)))].sort();
}

function shown(text: string): string {
  return text === '' ? '""' : JSON.stringify(text.slice(0, SHOWN_CHARACTERS));
}
