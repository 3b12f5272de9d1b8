/**
 * What can be sold, as this process saw it a moment ago, for planning reservations ahead. It may be wrong: whoever books checks
 * (planned.ts), and what does not hold is planned anew under lock (locked.ts). So it needs no news from others; it only has to be right
 * most of the time, cheap and small. It knows plain items only: no kits, no lots, no promises beyond the stock.
 */

import type { Sql } from '@weft/runtime/data/pool';
import { type Facts, type Market, PLACES_JSON, type PlaceRow, type Places, placeOf } from './supply.ts';

/**
 * Entries are read anew when they are older than this. Units that came or went meanwhile make no plan wrong that is booked; but a location that
 * was filled again may go unasked for so long, while others that are asked later have stock.
 */
const FRESH_MS = 5_000;
/** SKUs that are remembered, at most; the one that was read first is forgotten first. */
const MAX_SKUS = 50_000;

const PLAIN: Facts = { components: [], lotTracked: false, backorderLimit: 0n, releaseTime: undefined };

type Entry = { readonly isPlain: boolean; readonly units: Map<string, bigint>; readonly readAtMs: number };

/** Remembers the market, SKU by SKU. */
export class MarketCache {
  readonly #sql: Sql;
  readonly #entries = new Map<string, Entry>();
  #places: Places = [];
  #placesReadAtMs = Number.NEGATIVE_INFINITY;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** The market of those of these SKUs that are plain items. What is taken off it is off what is remembered. */
  async market(skus: readonly string[]): Promise<Market> {
    const nowMs = performance.now();
    const missing = skus.filter((sku) => nowMs - (this.#entries.get(sku)?.readAtMs ?? -Infinity) > FRESH_MS);
    if (missing.length > 0 || nowMs - this.#placesReadAtMs > FRESH_MS) {
      await this.#read(missing, nowMs);
    }
    const facts = new Map<string, Facts>();
    const units = new Map<string, Map<string, bigint>>();
    for (const sku of skus) {
      const entry = this.#entries.get(sku);
      if (entry?.isPlain) {
        facts.set(sku, PLAIN);
        units.set(sku, entry.units);
      }
    }
    return { facts, places: this.#places, units, promisable: new Map(), lots: new Map() };
  }

  /** Forgets what turned out wrong. */
  forget(skus: Iterable<string>): void {
    for (const sku of skus) {
      this.#entries.delete(sku);
    }
  }

  async #read(skus: readonly string[], nowMs: number): Promise<void> {
    const { rows } = await this.#sql.query<{
      plain: string[];
      levels: [sku: string, locationId: string, units: string][];
      places: PlaceRow[];
    }>({
      name: 'market_glimpse',
      text: `
        SELECT
          ARRAY(SELECT sku FROM items
            WHERE sku = ANY($1::text[]) AND delete_time IS NULL AND NOT is_kit AND NOT lot_tracked) AS plain,
          (SELECT coalesce(json_agg(json_build_array(sku, location_id, (on_hand - reserved - unavailable - safety)::text)), '[]')
            FROM stock WHERE sku = ANY($1::text[])) AS levels,
          ${PLACES_JSON} AS places`,
      values: [skus],
    });
    const [row] = rows;
    this.#places = (row?.places ?? []).map(placeOf);
    this.#placesReadAtMs = nowMs;
    const plain = new Set(row?.plain);
    for (const sku of skus) {
      this.#entries.delete(sku);
      this.#entries.set(sku, { isPlain: plain.has(sku), units: new Map(), readAtMs: nowMs });
    }
    for (const [sku, locationId, units] of row?.levels ?? []) {
      this.#entries.get(sku)?.units.set(locationId, BigInt(units));
    }
    for (const sku of this.#entries.keys()) {
      if (this.#entries.size <= MAX_SKUS) {
        break;
      }
      this.#entries.delete(sku);
    }
  }
}
