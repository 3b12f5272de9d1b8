/**
 * Applies one chunk of a stock import: all of its rows or none. What is wrong is found row by row and told by line.
 */

import {
  type StockRow as ImportRow,
  type ImportStockRequest,
  StockReason,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import type { Reason } from '@weft/runtime/errors/catalogue';
import { post } from './ledger.ts';
import { type Level, levelKey, unavailable } from './level.ts';
import { lockStock } from './lock.ts';
import { ensureStock, type HeldItem, type HeldLocation, holdItems, holdLocations } from './references.ts';

/** What was wrong with a row. */
export type RowError = { readonly line: bigint; readonly reason: Reason; readonly message: string };

/** How a chunk went that was applied. */
export type ChunkResult = { readonly changed: number; readonly unchanged: number };

/** Thrown for a chunk that cannot be applied, so that its transaction leaves nothing behind. */
export class ChunkRefused extends Error {
  override readonly name = 'ChunkRefused';
  readonly errors: readonly RowError[];

  constructor(errors: readonly RowError[]) {
    super(`${errors.length} rows cannot be applied`);
    this.errors = errors;
  }
}

/** Largest quantity of a row. */
const MAX_ROW_UNITS = 1_000_000_000n;
const SKU = /^[A-Z0-9][A-Z0-9._-]{0,63}$/;
const LOCATION_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** A name that is no name is shown in part: errors are for reading. */
const SHOWN_CHARACTERS = 64;

/**
 * Applies a chunk.
 *
 * @throws ChunkRefused
 */
export async function applyChunk(tx: Sql, chunk: ImportStockRequest, actor: string): Promise<ChunkResult> {
  const rows = chunk.rows.map((row, index) => ({ row, line: chunk.firstLine + BigInt(index) }));
  const errors = new Map<bigint, RowError>();
  const refuse = (line: bigint, reason: Reason, message: string) => {
    if (!errors.has(line)) {
      errors.set(line, { line, reason, message });
    }
  };
  const skus = namesOf(
    rows.map(({ row }) => row.sku),
    SKU,
  );
  const items = await holdItems(tx, skus);
  const locations = await holdLocations(
    tx,
    namesOf(
      rows.map(({ row }) => row.locationId),
      LOCATION_ID,
    ),
  );
  const seen = new Map<string, bigint>();
  for (const { row, line } of rows) {
    const problem = checkRow(row, items, locations) ?? checkRepetition(seen.get(levelKey(row)));
    if (problem !== undefined) {
      refuse(line, problem.reason, problem.message);
    }
    seen.set(levelKey(row), seen.get(levelKey(row)) ?? line);
  }

  // What is left is compared with the stock itself, so that one attempt tells everything that is wrong.
  const sound = rows.filter(({ line }) => !errors.has(line));
  await ensureStock(
    tx,
    sound.map(({ row }) => row),
  );
  const levels = new Map((await lockStock(tx, [...items.keys()].sort())).map((level) => [levelKey(level), level]));
  for (const { row, line } of sound) {
    const problem = checkReserved(row, levels.get(levelKey(row)));
    if (problem !== undefined) {
      refuse(line, problem.reason, problem.message);
    }
  }
  if (errors.size > 0) {
    throw new ChunkRefused([...errors.values()].sort((a, b) => Number(a.line - b.line)));
  }

  const changed = rows.map(({ row }) => row).filter((row) => differs(row, levels.get(levelKey(row))));
  const occasion = { reason: StockReason.IMPORTED, source: chunk.requestId, actor };
  const postings = changed.map((row) => {
    const level = levels.get(levelKey(row));
    return {
      sku: row.sku,
      locationId: row.locationId,
      onHand: row.onHand - (level?.onHand ?? 0n),
      safety: row.safety - (level?.safety ?? 0n),
    };
  });
  await post(tx, postings, occasion);
  return { changed: changed.length, unchanged: rows.length - changed.length };
}

type Problem = { readonly reason: Reason; readonly message: string };

function checkRow(
  row: ImportRow,
  items: ReadonlyMap<string, HeldItem>,
  locations: ReadonlyMap<string, HeldLocation>,
): Problem | undefined {
  if (!items.has(row.sku)) {
    return { reason: 'ITEM_NOT_FOUND', message: `no item has the SKU ${shown(row.sku)}` };
  }
  if (!locations.has(row.locationId)) {
    return { reason: 'LOCATION_NOT_FOUND', message: `no location has the id ${shown(row.locationId)}` };
  }
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

function checkRepetition(earlierLine: bigint | undefined): Problem | undefined {
  return earlierLine === undefined
    ? undefined
    : { reason: 'IMPORT_ROW_DUPLICATE', message: `line ${earlierLine} has the same item and location` };
}

function checkReserved(row: ImportRow, level: Level | undefined): Problem | undefined {
  const promised = level === undefined ? 0n : level.reserved + unavailable(level);
  return row.onHand >= promised
    ? undefined
    : {
        reason: 'INSUFFICIENT_STOCK',
        message: `on_hand is ${row.onHand}, and ${promised} units are reserved or unavailable there`,
      };
}

function differs(row: ImportRow, level: Level | undefined): boolean {
  return level?.onHand !== row.onHand || level.safety !== row.safety;
}

/** Each name once, sorted; what cannot be a name is left out and so is not found. */
function namesOf(texts: readonly string[], pattern: RegExp): string[] {
  return [...new Set(texts.filter((text) => pattern.test(text)))].sort();
}

function shown(text: string): string {
  return text === '' ? '""' : JSON.stringify(text.slice(0, SHOWN_CHARACTERS));
}
