/**
 * Decides which locations serve which lines. Pure arithmetic: PlanSourcing shows its answer, CreateReservation books it
 * under lock, so that the plan a client saw and the reservation it gets come from the same rule.
 */

import { fewestLocations } from './fewest-locations.ts';
import { add, addAt, compareText, smaller, sum, sumOver, type Units } from './units.ts';

/** How locations are chosen for lines that name none: as they are ranked, as few as possible, or remnants first. */
export type Strategy = 'RANKED' | 'FEWEST_SPLITS' | 'LOWEST_STOCK';

/** Units wanted of one item, from one location or (without) from any. */
export type Line = { readonly sku: string; readonly quantity: bigint; readonly locationId?: string };

/** Units of another item that one unit of a kit consists of. */
export type Component = { readonly sku: string; readonly quantity: bigint };

/** Units of one item at one location; `backordered` of them are promised beyond what is there. */
export type Allocation = {
  readonly sku: string;
  readonly locationId: string;
  readonly quantity: bigint;
  readonly backordered: bigint;
};

/** Units wanted, over all lines of an item, and how many of them could be had. */
export type Shortage = { readonly sku: string; readonly requested: bigint; readonly available: bigint };

/** Allocations sorted by SKU, then location; shortages sorted by SKU. A kit is allocated as its components, and short as itself. */
export type Plan = { readonly allocations: readonly Allocation[]; readonly shortages: readonly Shortage[] };

/**
 * Units that can be sold, by SKU and then by location. Locations that do not serve the destination are absent. Quantities
 * below zero count as zero.
 */
export type Supply = ReadonlyMap<string, ReadonlyMap<string, bigint>>;

/** What there is to plan from. */
export type Sources = {
  readonly supply: Supply;
  /** Every location that may be asked, the first to be asked first. */
  readonly ranking: readonly string[];
  /** What kits consist of, down to what is kept in stock, each component once. */
  readonly recipes?: ReadonlyMap<string, readonly Component[]>;
  /** Units that may be promised beyond the supply, by SKU. */
  readonly promisable?: ReadonlyMap<string, bigint>;
};

/** Demand of one SKU, added up: what is requested, and what of it is not served yet, at locations that lines name and anywhere. */
type Demand = { requested: bigint; readonly named: Map<string, bigint>; anywhere: bigint };

/** A plan in the making. */
type Draft = {
  readonly sources: Sources;
  readonly strategy: Strategy;
  /** What is left of the supply. */
  readonly left: Units;
  readonly taken: Units;
  readonly promised: Units;
  /** What is left to promise. */
  readonly promisable: Map<string, bigint>;
};

/**
 * Plans the lines. Units that neither the supply nor a promise covers are shortages; what there is is allocated all the same, and
 * the caller decides what a partial plan is worth. Of a kit only whole ones are allocated.
 */
export function planSourcing(lines: readonly Line[], sources: Sources, strategy: Strategy): Plan {
  const demands = addUp(lines);
  const draft: Draft = {
    sources,
    strategy,
    left: new Map([...sources.supply].map(([sku, levels]) => [sku, new Map(levels)])),
    taken: new Map(),
    promised: new Map(),
    promisable: new Map(sources.promisable),
  };
  // Lines that name their location have no choice, so they come first; the others share what is left. Promises come last: what is
  // in stock is given away before anybody has to wait.
  for (const [sku, { named }] of demands) {
    for (const [locationId, quantity] of named) {
      named.set(locationId, quantity - serve(draft, sku, quantity, [locationId]));
    }
  }
  const chosen = strategy === 'FEWEST_SPLITS' ? fewest(draft, demands) : sources.ranking;
  for (const [sku, demand] of demands) {
    demand.anywhere -= serve(draft, sku, demand.anywhere, chosen);
  }
  if (draft.promisable.size > 0) {
    for (const [sku, demand] of demands) {
      promiseRest(draft, sku, demand);
    }
  }
  return { allocations: allocationsOf(draft), shortages: shortagesOf(demands) };
}

/** Sums demand by SKU: two lines of one item are one demand (medusa#16502). */
function addUp(lines: readonly Line[]): Map<string, Demand> {
  const demands = new Map<string, Demand>();
  for (const { sku, quantity, locationId } of lines) {
    const demand = demands.get(sku) ?? { requested: 0n, named: new Map<string, bigint>(), anywhere: 0n };
    demands.set(sku, demand);
    demand.requested += quantity;
    if (locationId === undefined) {
      demand.anywhere += quantity;
    } else {
      demand.named.set(locationId, (demand.named.get(locationId) ?? 0n) + quantity);
    }
  }
  return demands;
}

/** What one unit of a SKU takes from the stock. */
function recipeOf({ recipes }: Sources, sku: string): readonly Component[] {
  return recipes?.get(sku) ?? [{ sku, quantity: 1n }];
}

/** Serves up to `wanted` units, or whole kits, from what is left at these locations; gives how many. */
function serve(draft: Draft, sku: string, wanted: bigint, locations: readonly string[]): bigint {
  const recipe = recipeOf(draft.sources, sku);
  const units = whole(wanted, recipe, (component) => sumOver(locations, draft.left.get(component)));
  for (const component of units > 0n ? recipe : []) {
    takeFrom(draft, component.sku, units * component.quantity, locations);
  }
  return units;
}

/** How many whole ones the scarcest component allows. */
function whole(wanted: bigint, recipe: readonly Component[], there: (sku: string) => bigint): bigint {
  return recipe.reduce((units, { sku, quantity }) => smaller(units, there(sku) / quantity), wanted);
}

/** Takes units from locations in their order; gives how many were there. */
function takeFrom(draft: Draft, sku: string, wanted: bigint, locations: readonly string[]): bigint {
  const levels = draft.left.get(sku);
  if (levels === undefined) {
    return 0n;
  }
  let missing = wanted;
  for (const locationId of draft.strategy === 'LOWEST_STOCK' ? lowestFirst(locations, levels) : locations) {
    const there = levels.get(locationId) ?? 0n;
    const units = smaller(missing, there);
    if (units > 0n) {
      levels.set(locationId, there - units);
      addAt(draft.taken, sku, locationId, units);
      missing -= units;
    }
    if (missing === 0n) {
      break;
    }
  }
  return wanted - missing;
}

/** The order is stable: where equal units are left, the one that is ranked first stays first. */
function lowestFirst(locations: readonly string[], levels: ReadonlyMap<string, bigint>): string[] {
  const unitsAt = (id: string) => levels.get(id) ?? 0n;
  return locations
    .filter((id) => unitsAt(id) > 0n)
    .sort((a, b) => (unitsAt(a) < unitsAt(b) ? -1 : unitsAt(a) > unitsAt(b) ? 1 : 0));
}

/** Promises what a demand lacks, where its lines say or at the location that is ranked first. */
function promiseRest(draft: Draft, sku: string, demand: Demand): void {
  const { ranking } = draft.sources;
  for (const [locationId, missing] of demand.named) {
    if (ranking.includes(locationId)) {
      demand.named.set(locationId, missing - promise(draft, sku, missing, locationId, [locationId]));
    }
  }
  const [first] = ranking;
  if (first !== undefined) {
    demand.anywhere -= promise(draft, sku, demand.anywhere, first, ranking);
  }
}

/** Promises units, or whole kits whose components are partly in stock; gives how many. */
function promise(draft: Draft, sku: string, wanted: bigint, locationId: string, locations: readonly string[]): bigint {
  const recipe = recipeOf(draft.sources, sku);
  const there = (component: string) =>
    sumOver(locations, draft.left.get(component)) + (draft.promisable.get(component) ?? 0n);
  const units = whole(wanted, recipe, there);
  for (const component of units > 0n ? recipe : []) {
    const needed = units * component.quantity;
    const rest = needed - takeFrom(draft, component.sku, needed, locations);
    if (rest > 0n) {
      add(draft.promisable, component.sku, -rest);
      addAt(draft.promised, component.sku, locationId, rest);
    }
  }
  return units;
}

/** The fewest locations that serve as much of the demands as all of them would. */
function fewest(draft: Draft, demands: ReadonlyMap<string, Demand>): readonly string[] {
  const { ranking } = draft.sources;
  const totals = new Map([...draft.left].map(([sku, levels]) => [sku, sumOver(ranking, levels)]));
  const goals = new Map<string, bigint>();
  for (const [sku, { anywhere }] of demands) {
    const recipe = recipeOf(draft.sources, sku);
    const units = whole(anywhere, recipe, (component) => totals.get(component) ?? 0n);
    for (const component of units > 0n ? recipe : []) {
      add(goals, component.sku, units * component.quantity);
      add(totals, component.sku, -units * component.quantity);
    }
  }
  const used = new Set([...draft.taken.values()].flatMap((levels) => [...levels.keys()]));
  return fewestLocations(goals, draft.left, used, ranking);
}

function allocationsOf({ taken, promised }: Draft): Allocation[] {
  const merged = new Map<string, Allocation>();
  for (const [units, isPromise] of [
    [taken, false],
    [promised, true],
  ] as const) {
    for (const [sku, levels] of units) {
      for (const [locationId, quantity] of levels) {
        const key = `${sku} ${locationId}`;
        const before = merged.get(key) ?? { sku, locationId, quantity: 0n, backordered: 0n };
        merged.set(key, {
          ...before,
          quantity: before.quantity + quantity,
          backordered: before.backordered + (isPromise ? quantity : 0n),
        });
      }
    }
  }
  return [...merged.values()].sort((a, b) => compareText(a.sku, b.sku) || compareText(a.locationId, b.locationId));
}

function shortagesOf(demands: ReadonlyMap<string, Demand>): Shortage[] {
  const shortages: Shortage[] = [];
  for (const [sku, { requested, named, anywhere }] of demands) {
    const missing = sum(named.values()) + anywhere;
    if (missing > 0n) {
      shortages.push({ sku, requested, available: requested - missing });
    }
  }
  return shortages.sort((a, b) => compareText(a.sku, b.sku));
}
