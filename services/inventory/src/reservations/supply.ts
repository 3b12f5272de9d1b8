/**
 * What sourcing needs to know: which items are sold, which locations there are, in which order they are asked and where they
 * ship to, and what can be sold there.
 */

import { type SourcingLine, SourcingStrategy } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { available, type Level } from '../stock/level.ts';
import { readLevels } from '../stock/read.ts';
import { type Plan, planSourcing } from './sourcing.ts';

/** Locations in the order in which they are asked. */
export type Places = readonly {
  readonly locationId: string;
  readonly servedCountryCodes: readonly string[];
  /** Where it sends from. */
  readonly countryCode: string;
}[];

/** What can be sold, where. Quantities may be lowered as they are given away. */
export type Market = {
  /** SKUs, of those asked about, that have an item which is not deleted. */
  readonly sold: ReadonlySet<string>;
  readonly places: Places;
  /** Units that can be sold by SKU and location id. */
  readonly units: Map<string, Map<string, bigint>>;
};

/** What is asked of stock: the part that PlanSourcing and CreateReservation have in common. */
export type Demand = {
  readonly lines: readonly SourcingLine[];
  readonly destinationCountryCode: string;
  readonly strategy: SourcingStrategy;
};

/** The SKUs of demands, each once, sorted. */
export function skusOf(demands: readonly Demand[]): string[] {
  return [...new Set(demands.flatMap(({ lines }) => lines.map((line) => line.sku)))].sort();
}

/** Reads the market for these SKUs. `levels` are their stock levels, read before and, for a reservation, locked. */
export async function readMarket(db: Sql, skus: readonly string[], levels: readonly Level[]): Promise<Market> {
  const { rows } = await db.query<{ sold: string[]; places: [string, string[], string][] }>({
    name: 'market_read',
    text: `
      SELECT
        ARRAY(SELECT sku FROM items WHERE sku = ANY($1::text[]) AND delete_time IS NULL) AS sold,
        (SELECT coalesce(json_agg(json_build_array(location_id, served_country_codes, country_code)
          ORDER BY pick_priority, location_id), '[]')
          FROM locations) AS places`,
    values: [skus],
  });
  const [row] = rows;
  const units = new Map<string, Map<string, bigint>>();
  for (const level of levels) {
    const bySku = units.get(level.sku) ?? new Map<string, bigint>();
    units.set(level.sku, bySku.set(level.locationId, available(level)));
  }
  return {
    sold: new Set(row?.sold),
    places: (row?.places ?? []).map(([locationId, servedCountryCodes, countryCode]) => ({
      locationId,
      servedCountryCodes,
      countryCode,
    })),
    units,
  };
}

/** Reads the market as it stands, without a lock: by the time of a reservation it may be otherwise. */
export async function readMarketNow(db: Sql, skus: readonly string[]): Promise<Market> {
  return readMarket(db, skus, await readLevels(db, skus));
}

/** The locations that ship to a country, in the order in which they are asked; all of them when the country is empty. */
export function servingLocations(places: Places, countryCode: string): string[] {
  return places
    .filter(
      ({ servedCountryCodes: served }) => countryCode === '' || served.length === 0 || served.includes(countryCode),
    )
    .map(({ locationId }) => locationId);
}

/**
 * Refuses demand for what is not sold or not there.
 *
 * @throws ITEM_NOT_FOUND, LOCATION_NOT_FOUND
 */
function checkDemand({ lines }: Demand, { sold, places }: Market): void {
  const known = new Set(places.map(({ locationId }) => locationId));
  for (const { sku, locationId } of lines) {
    if (!sold.has(sku)) {
      throw fail('ITEM_NOT_FOUND', `no item has the SKU ${sku}`, { sku });
    }
    if (locationId !== '' && !known.has(locationId)) {
      throw fail('LOCATION_NOT_FOUND', `no location has the id ${locationId}`, { location_id: locationId });
    }
  }
}

/** The units that may serve a destination, and in which order their locations are asked. */
function supplyFor(demand: Demand, { places, units }: Market) {
  const ranking = servingLocations(places, demand.destinationCountryCode);
  const serving = new Set(ranking);
  const supply = new Map(
    skusOf([demand]).map((sku) => [sku, new Map([...(units.get(sku) ?? [])].filter(([id]) => serving.has(id)))]),
  );
  return { supply, ranking };
}

/**
 * Plans a demand on the market as it stands.
 *
 * @throws ITEM_NOT_FOUND, LOCATION_NOT_FOUND
 */
export function planDemand(demand: Demand, market: Market): Plan {
  checkDemand(demand, market);
  const { supply, ranking } = supplyFor(demand, market);
  const lines = demand.lines.map(({ sku, quantity, locationId }) => ({
    sku,
    quantity,
    ...(locationId === '' ? {} : { locationId }),
  }));
  const fewestSplits = demand.strategy === SourcingStrategy.FEWEST_SPLITS;
  return planSourcing(lines, supply, ranking, fewestSplits ? 'FEWEST_SPLITS' : 'PRIORITY');
}

/** Takes what a plan allocates off the market, so that the next demand does not get it again. */
export function takeOff({ units }: Market, { allocations }: Plan): void {
  for (const { sku, locationId, quantity } of allocations) {
    const bySku = units.get(sku);
    bySku?.set(locationId, (bySku.get(locationId) ?? 0n) - quantity);
  }
}
