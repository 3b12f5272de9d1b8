/**
 * What sourcing needs to know: which items are sold and what they consist of, which locations there are, in which order they are asked and where they
 * ship to, and what can be sold there.
 */

import type { Sql } from '@weft/runtime/data/pool';
import { available, type Level, levelKey } from '../stock/level.ts';
import { freeOfLot, type Lot, withLots } from '../stock/lots.ts';
import { readLevels } from '../stock/read.ts';
import type { Component } from './sourcing.ts';
import { add, type Units } from './units.ts';

/** Locations in the order of their pick priority. */
export type Places = readonly Place[];

/** A location, as sourcing sees it. */
export type Place = {
  readonly locationId: string;
  readonly servedCountryCodes: readonly string[];
  /** Where it sends from. */
  readonly countryCode: string;
  readonly pickPriority: number;
  readonly deactivated: boolean;
};

/** What sourcing needs to know of an item that is sold. */
export type Facts = {
  /** What one unit takes from the stock, when it is a kit: down to what is no kit, each once. Empty otherwise. */
  readonly components: readonly Component[];
  readonly lotTracked: boolean;
  /** Units that may be promised beyond the stock, over all locations; 0 when that is not allowed, or not any more. */
  readonly backorderLimit: bigint;
  /** When a preordered item comes out, while that is yet to come. */
  readonly releaseTime: Date | undefined;
};

/** What is sold, and where. */
export type Catalogue = { readonly facts: ReadonlyMap<string, Facts>; readonly places: Places };

/** What can be sold, where. Quantities may be lowered as they are given away. */
export type Market = Catalogue & {
  /** Units that can be sold by SKU and location id. */
  readonly units: Units;
  /** Units that can be promised beyond those, by SKU. */
  readonly promisable: Map<string, bigint>;
  /** Free units of lots that have not expired, by level, the first to expire first. */
  readonly lots: ReadonlyMap<string, readonly FreeLot[]>;
};

/** A lot that can be given away. */
export type FreeLot = { readonly lotId: string; free: bigint };

type FactsRow = [
  sku: string,
  lotTracked: boolean,
  backorderLimit: string,
  releaseTime: string | null,
  components: [sku: string, quantity: string][] | null,
];
/** A location as PLACES_JSON has it. */
export type PlaceRow = [
  locationId: string,
  served: string[],
  countryCode: string,
  pickPriority: number,
  deactivated: boolean,
];

/** All locations in the order of their pick priority, as an expression of SQL: JSON of `PlaceRow[]`. */
export const PLACES_JSON = `
  (SELECT coalesce(json_agg(json_build_array(location_id, served_country_codes, country_code, pick_priority, deactivated)
      ORDER BY pick_priority, location_id), '[]')
    FROM locations)`;

/** Reads what is sold of these SKUs, and of the components of kits among them; and all locations. */
export async function readCatalogue(db: Sql, skus: readonly string[]): Promise<Catalogue> {
  const { rows } = await db.query<{ facts: FactsRow[]; places: PlaceRow[] }>({
    name: 'catalogue_read',
    text: `
      WITH flat AS MATERIALIZED (
        SELECT k.kit_sku, coalesce(n.component_sku, k.component_sku) AS sku,
          sum(k.quantity * coalesce(n.quantity, 1))::bigint AS quantity
        FROM kit_components k LEFT JOIN kit_components n ON n.kit_sku = k.component_sku
        WHERE k.kit_sku = ANY($1::text[])
        GROUP BY 1, 2
      )
      SELECT
        (SELECT coalesce(json_agg(json_build_array(i.sku, i.lot_tracked,
            CASE WHEN i.out_of_stock_policy = 2 OR (i.out_of_stock_policy = 3 AND i.release_time > now())
              THEN i.backorder_limit ELSE 0 END::text,
            CASE WHEN i.release_time > now() THEN i.release_time END,
            CASE WHEN i.is_kit THEN (SELECT json_agg(json_build_array(flat.sku, flat.quantity::text) ORDER BY flat.sku)
              FROM flat WHERE flat.kit_sku = i.sku) END)), '[]')
          FROM items i
          WHERE i.sku = ANY($1::text[] || ARRAY(SELECT sku FROM flat)) AND i.delete_time IS NULL) AS facts,
        ${PLACES_JSON} AS places`,
    values: [skus],
  });
  const [row] = rows;
  return {
    facts: new Map((row?.facts ?? []).map(factsOf)),
    places: (row?.places ?? []).map(placeOf),
  };
}

/** Reads one of PLACES_JSON. */
export function placeOf([locationId, servedCountryCodes, countryCode, pickPriority, deactivated]: PlaceRow): Place {
  return { locationId, servedCountryCodes, countryCode, pickPriority, deactivated };
}

function factsOf([sku, lotTracked, backorderLimit, releaseTime, components]: FactsRow): [string, Facts] {
  return [
    sku,
    {
      lotTracked,
      backorderLimit: BigInt(backorderLimit),
      releaseTime: releaseTime === null ? undefined : new Date(releaseTime),
      components: (components ?? []).map(([component, quantity]) => ({ sku: component, quantity: BigInt(quantity) })),
    },
  ];
}

/** The SKUs whose stock these SKUs are served from: themselves, or the components of kits. */
export function stockedSkus({ facts }: Catalogue, skus: readonly string[]): string[] {
  const stocked = skus.flatMap((sku) => {
    const components = facts.get(sku)?.components ?? [];
    return components.length === 0 ? [sku] : components.map((component) => component.sku);
  });
  return [...new Set(stocked)].sort();
}

/** The market, from what is sold and the levels of its stock, those of lots with their lots. */
export function marketOf(catalogue: Catalogue, levels: readonly Level[]): Market {
  const units: Units = new Map();
  const promisable = new Map<string, bigint>();
  const lots = new Map<string, FreeLot[]>();
  for (const [sku, { backorderLimit }] of catalogue.facts) {
    if (backorderLimit > 0n) {
      promisable.set(sku, backorderLimit);
    }
  }
  for (const level of levels) {
    const bySku = units.get(level.sku) ?? new Map<string, bigint>();
    // What is backordered is owed before anything new can be sold.
    units.set(level.sku, bySku.set(level.locationId, available(level)));
    if (promisable.has(level.sku)) {
      add(promisable, level.sku, -level.backordered);
    }
    if (level.lots.length > 0) {
      lots.set(levelKey(level), level.lots.filter(({ expired }) => !expired).map(freeLot));
    }
  }
  return { ...catalogue, units, promisable, lots };
}

function freeLot(lot: Lot): FreeLot {
  return { lotId: lot.lotId, free: freeOfLot(lot) };
}

/** The levels, with their lots when any of their items is kept by lot. */
export async function withLotsOf({ facts }: Catalogue, db: Sql, levels: readonly Level[]): Promise<readonly Level[]> {
  const tracked = new Set(levels.map(({ sku }) => sku).filter((sku) => facts.get(sku)?.lotTracked));
  if (tracked.size === 0) {
    return levels;
  }
  const ofLots = levels.filter(({ sku }) => tracked.has(sku));
  return [...levels.filter(({ sku }) => !tracked.has(sku)), ...(await withLots(db, ofLots))];
}

/** Reads the market as it stands, without a lock: by the time of a reservation it may be otherwise. */
export async function readMarketNow(db: Sql, skus: readonly string[]): Promise<Market> {
  const catalogue = await readCatalogue(db, skus);
  return marketOf(catalogue, await readLevels(db, stockedSkus(catalogue, skus)));
}

/** Whether a location is in use and ships to a country; to any when it is empty. */
export function serves({ deactivated, servedCountryCodes }: Place, countryCode: string): boolean {
  return (
    !deactivated && (countryCode === '' || servedCountryCodes.length === 0 || servedCountryCodes.includes(countryCode))
  );
}

/** The locations that ship to a country, in the order of their pick priority; all that are in use when the country is empty. */
export function servingLocations(places: Places, countryCode: string): string[] {
  return places.filter((place) => serves(place, countryCode)).map(({ locationId }) => locationId);
}
