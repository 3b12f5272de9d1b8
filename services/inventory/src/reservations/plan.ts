/**
 * Plans demand on a market, and says why a plan is as it is: what PlanSourcing and CreateReservation have in common.
 */

import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type SourcingLine,
  type SourcingLocationSchema,
  SourcingStrategy,
  SourcingVerdict,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import { levelKey } from '../stock/level.ts';
import { countryDistanceKm } from './country-distance.ts';
import { type Component, planSourcing, type Shortage, type Strategy } from './sourcing.ts';
import { type Market, type Place, serves, stockedSkus } from './supply.ts';
import { add, compareText, smaller } from './units.ts';

/** What is asked of stock: the part that PlanSourcing and CreateReservation have in common. */
export type Demand = {
  readonly lines: readonly SourcingLine[];
  readonly destinationCountryCode: string;
  readonly strategy: SourcingStrategy;
};

/** Units of one item, or of one lot of it, at one location. */
export type PlannedAllocation = {
  readonly sku: string;
  readonly locationId: string;
  /** Empty for items that are not kept by lot. */
  readonly lotId: string;
  readonly quantity: bigint;
  /** Units of those that are promised beyond what is there. */
  readonly backordered: bigint;
};

/** A plan down to lots. Allocations sorted by SKU, location and lot; shortages by SKU. */
export type StockPlan = { readonly allocations: readonly PlannedAllocation[]; readonly shortages: readonly Shortage[] };

const STRATEGIES: Readonly<Record<SourcingStrategy, Strategy>> = {
  [SourcingStrategy.UNSPECIFIED]: 'RANKED',
  [SourcingStrategy.PRIORITY]: 'RANKED',
  [SourcingStrategy.NEAREST]: 'RANKED',
  [SourcingStrategy.FEWEST_SPLITS]: 'FEWEST_SPLITS',
  [SourcingStrategy.LOWEST_STOCK]: 'LOWEST_STOCK',
};

/** The SKUs of demands, each once, sorted. */
export function skusOf(demands: readonly Demand[]): string[] {
  return [...new Set(demands.flatMap(({ lines }) => lines.map((line) => line.sku)))].sort();
}

/**
 * Plans a demand on the market as it stands.
 *
 * @throws ITEM_NOT_FOUND, LOCATION_NOT_FOUND, LOCATION_DEACTIVATED
 */
export function planDemand(demand: Demand, market: Market): StockPlan {
  checkDemand(demand, market);
  const ranking = rankingFor(demand, market).map(({ locationId }) => locationId);
  const serving = new Set(ranking);
  const stocked = stockedSkus(market, skusOf([demand]));
  const supply = new Map(
    stocked.map((sku) => [sku, new Map([...(market.units.get(sku) ?? [])].filter(([id]) => serving.has(id)))]),
  );
  const lines = demand.lines.map(({ sku, quantity, locationId }) =>
    locationId === '' ? { sku, quantity } : { sku, quantity, locationId },
  );
  const promisable = new Map(stocked.flatMap((sku) => promisableOf(market, sku)));
  const sources = { supply, ranking, recipes: recipesOf(demand, market), promisable };
  const { allocations, shortages } = planSourcing(lines, sources, STRATEGIES[demand.strategy]);
  return { allocations: allocations.flatMap((allocation) => byLot(allocation, market)), shortages };
}

/** Takes what a plan allocates off the market, so that the next demand does not get it again. */
export function takeOff(market: Market, { allocations }: StockPlan): void {
  for (const { sku, locationId, lotId, quantity, backordered } of allocations) {
    const levels = market.units.get(sku);
    if (levels !== undefined) {
      add(levels, locationId, -quantity);
    }
    if (backordered > 0n) {
      add(market.promisable, sku, -backordered);
    }
    const lot = market.lots.get(levelKey({ sku, locationId }))?.find((one) => one.lotId === lotId);
    if (lot !== undefined) {
      lot.free -= quantity;
    }
  }
}

/** @throws ITEM_NOT_FOUND, LOCATION_NOT_FOUND, LOCATION_DEACTIVATED */
function checkDemand({ lines }: Demand, { facts, places }: Market): void {
  for (const { sku, locationId } of lines) {
    if (!facts.has(sku)) {
      throw fail('ITEM_NOT_FOUND', `no item has the SKU ${sku}`, { sku });
    }
    const place = locationId === '' ? undefined : places.find((one) => one.locationId === locationId);
    if (locationId !== '' && place === undefined) {
      throw fail('LOCATION_NOT_FOUND', `no location has the id ${locationId}`, { location_id: locationId });
    }
    if (place?.deactivated) {
      throw fail('LOCATION_DEACTIVATED', `the location ${locationId} is out of use`, { location_id: locationId });
    }
  }
}

/** Where a demand may be promised: at the locations that its lines name, or at the one that is asked first. */
export function promisePlaces(demand: Demand, catalogue: Pick<Market, 'places'>): string[] {
  const ranking = rankingFor(demand, catalogue).map(({ locationId }) => locationId);
  const named = new Set(demand.lines.map(({ locationId }) => locationId));
  return ranking.filter((id, index) => index === 0 || named.has(id));
}

/** The locations that may serve a demand, the first to be asked first. */
function rankingFor(
  { destinationCountryCode: country, strategy }: Demand,
  { places }: Pick<Market, 'places'>,
): readonly Place[] {
  const serving = places.filter((place) => serves(place, country));
  if (strategy !== SourcingStrategy.NEAREST || country === '') {
    return serving;
  }
  // The sort is stable: among equals the priority decides. Where nobody knows how far it is, that is asked last.
  const distance = (place: Place) => countryDistanceKm(place.countryCode, country) ?? Number.POSITIVE_INFINITY;
  return serving
    .map((place) => ({ place, km: distance(place) }))
    .sort((a, b) => (a.km < b.km ? -1 : a.km > b.km ? 1 : 0))
    .map(({ place }) => place);
}

function recipesOf({ lines }: Demand, { facts }: Market): ReadonlyMap<string, readonly Component[]> {
  const recipes = new Map<string, readonly Component[]>();
  for (const { sku } of lines) {
    const components = facts.get(sku)?.components ?? [];
    if (components.length > 0) {
      recipes.set(sku, components);
    }
  }
  return recipes;
}

function promisableOf({ promisable }: Market, sku: string): [string, bigint][] {
  const units = promisable.get(sku) ?? 0n;
  return units > 0n ? [[sku, units]] : [];
}

/** Splits an allocation over lots, the first to expire first. */
function byLot(
  { sku, locationId, quantity, backordered }: Omit<PlannedAllocation, 'lotId'>,
  { facts, lots }: Market,
): PlannedAllocation[] {
  if (!facts.get(sku)?.lotTracked) {
    return [{ sku, locationId, lotId: '', quantity, backordered }];
  }
  const split: PlannedAllocation[] = [];
  let missing = quantity;
  for (const { lotId, free } of lots.get(levelKey({ sku, locationId })) ?? []) {
    const units = smaller(missing, free);
    if (units > 0n) {
      split.push({ sku, locationId, lotId, quantity: units, backordered: 0n });
      missing -= units;
    }
  }
  if (missing > 0n) {
    throw new Error(`the lots of ${sku} at ${locationId} hold ${missing} units less than the level has available`);
  }
  // In the order in which a reservation is read.
  return split.sort((a, b) => compareText(a.lotId, b.lotId));
}

type Explained = MessageInitShape<typeof SourcingLocationSchema>;

/** Says of every location why it is part of a plan or not, in the order in which they were asked. `market` is as it was before the plan. */
export function explainPlan(demand: Demand, market: Market, plan: StockPlan): Explained[] {
  const asked = rankingFor(demand, market);
  const rest = market.places.filter((place) => !asked.includes(place));
  const stocked = stockedSkus(market, skusOf([demand]));
  return [...asked, ...rest].map((place) => {
    const { locationId, pickPriority, countryCode } = place;
    const allocated = plan.allocations
      .filter((allocation) => allocation.locationId === locationId)
      .reduce((units, { quantity }) => units + quantity, 0n);
    const there = stocked.reduce((units, sku) => units + positive(market.units.get(sku)?.get(locationId)), 0n);
    const nearest = demand.strategy === SourcingStrategy.NEAREST && demand.destinationCountryCode !== '';
    const distanceKm = nearest ? countryDistanceKm(countryCode, demand.destinationCountryCode) : undefined;
    const verdict = verdictOn(place, demand, allocated, there);
    return {
      locationId,
      verdict,
      allocatedQuantity: allocated,
      availableQuantity: there,
      pickPriority,
      distanceKm: distanceKm ?? 0,
      explanation: inWords(verdict, { place, demand, allocated, there, distanceKm }),
    };
  });
}

function verdictOn(place: Place, demand: Demand, allocated: bigint, there: bigint): SourcingVerdict {
  if (place.deactivated) {
    return SourcingVerdict.DEACTIVATED;
  }
  if (!serves(place, demand.destinationCountryCode)) {
    return SourcingVerdict.NOT_SERVING;
  }
  if (allocated > 0n) {
    return SourcingVerdict.CHOSEN;
  }
  return there > 0n ? SourcingVerdict.NOT_NEEDED : SourcingVerdict.NO_STOCK;
}

type Finding = {
  readonly place: Place;
  readonly demand: Demand;
  readonly allocated: bigint;
  readonly there: bigint;
  readonly distanceKm: number | undefined;
};

function inWords(verdict: SourcingVerdict, { place, demand, allocated, there, distanceKm }: Finding): string {
  const { locationId, pickPriority, countryCode } = place;
  const rank =
    distanceKm === undefined ? `priority ${pickPriority}` : `${distanceKm} km from the destination's country`;
  switch (verdict) {
    case SourcingVerdict.CHOSEN:
      return allocated > there
        ? `${locationId} serves ${allocated} units, ${allocated - there} of them as they come in (${rank})`
        : `${locationId} serves ${allocated} of ${there} available units (${rank})`;
    case SourcingVerdict.NOT_NEEDED:
      return `${locationId} has ${there} units available, and other locations serve the lines (${rank})`;
    case SourcingVerdict.NO_STOCK:
      return `${locationId} has none of the items available (${rank})`;
    case SourcingVerdict.NOT_SERVING:
      return `${locationId}, in ${countryCode}, does not ship to ${demand.destinationCountryCode}`;
    default:
      return `${locationId} is out of use`;
  }
}

function positive(units: bigint | undefined): bigint {
  return units === undefined || units < 0n ? 0n : units;
}
