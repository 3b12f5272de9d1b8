/**
 * What can be sold, as this process saw it a moment ago, for planning reservations ahead. It may be wrong: whoever books checks
 * (planned.ts), and what does not hold is planned anew under lock (locked.ts). So it needs no news from others; it only has to be right
 * most of the time, and small.
 */

import { type Facts, type Market, type Places, stockedSkus } from './supply.ts';

/** Entries are read anew when they are older than this. */
const FRESH_MS = 1_000;
/** SKUs that are remembered, at most; the one that was read first is forgotten first. */
const MAX_SKUS = 50_000;

type Entry = { readonly facts: Facts | undefined; readonly units: Map<string, bigint>; readonly readAtMs: number };

/** Remembers the market, SKU by SKU. */
export class MarketCache {
  readonly #read: (skus: readonly string[]) => Promise<Market>;
  readonly #entries = new Map<string, Entry>();
  #places: Places = [];
  #placesReadAtMs = Number.NEGATIVE_INFINITY;

  /** @param read how the market of some SKUs, and of the components of kits among them, is read. */
  constructor(read: (skus: readonly string[]) => Promise<Market>) {
    this.#read = read;
  }

  /** The market of these SKUs: what is taken off it is off what is remembered. */
  async market(skus: readonly string[]): Promise<Market> {
    const nowMs = performance.now();
    const missing = skus.filter((sku) => nowMs - (this.#entries.get(sku)?.readAtMs ?? -Infinity) > FRESH_MS);
    if (missing.length > 0 || nowMs - this.#placesReadAtMs > FRESH_MS) {
      this.#remember(missing, await this.#read(missing), nowMs);
    }
    const known = skus.flatMap((sku) => {
      const entry = this.#entries.get(sku);
      return entry === undefined ? [] : [[sku, entry] as const];
    });
    return {
      facts: new Map(known.flatMap(([sku, { facts }]) => (facts === undefined ? [] : [[sku, facts]]))),
      places: this.#places,
      units: new Map(known.map(([sku, { units }]) => [sku, units])),
      promisable: new Map(),
      lots: new Map(),
    };
  }

  /** Forgets what turned out wrong. */
  forget(skus: Iterable<string>): void {
    for (const sku of skus) {
      this.#entries.delete(sku);
    }
  }

  #remember(asked: readonly string[], market: Market, nowMs: number): void {
    this.#places = market.places;
    this.#placesReadAtMs = nowMs;
    for (const sku of new Set([...asked, ...stockedSkus(market, asked)])) {
      this.#entries.delete(sku);
      this.#entries.set(sku, {
        facts: market.facts.get(sku),
        units: market.units.get(sku) ?? new Map(),
        readAtMs: nowMs,
      });
    }
    for (const sku of this.#entries.keys()) {
      if (this.#entries.size <= MAX_SKUS) {
        break;
      }
      this.#entries.delete(sku);
    }
  }
}
