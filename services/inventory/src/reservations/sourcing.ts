/**
 * Decides which locations serve which lines. Pure arithmetic: PlanSourcing shows its answer, CreateReservation books it
 * under lock, so that the plan a client saw and the reservation it gets come from the same rule.
 */

/** How locations are chosen for lines that name none. */
export type Strategy = 'PRIORITY' | 'FEWEST_SPLITS';

/** Units wanted of one item, from one location or (without) from any. */
export type Line = { readonly sku: string; readonly quantity: bigint; readonly locationId?: string };

/** Units of one item at one location. */
export type Allocation = { readonly sku: string; readonly locationId: string; readonly quantity: bigint };

/** Units wanted, over all lines of an item, and how many of them could be had. */
export type Shortage = { readonly sku: string; readonly requested: bigint; readonly available: bigint };

/** Allocations sorted by SKU, then location; shortages sorted by SKU. */
export type Plan = { readonly allocations: readonly Allocation[]; readonly shortages: readonly Shortage[] };

/**
 * Units that can be sold, by SKU and then by location. Locations stand in the order in which they are to be asked; those that
 * do not serve the destination are absent. Quantities below zero count as zero.
 */
export type Supply = ReadonlyMap<string, ReadonlyMap<string, bigint>>;

/** Demand of one SKU, added up. */
type Demand = { named: Map<string, bigint>; anywhere: bigint };

/** Sets of locations tried for FEWEST_SPLITS before the greedy choice is taken: all sets of up to 11 locations. */
const MAX_SETS_TRIED = 2_048;

/**
 * Plans the lines. Units that the supply lacks are shortages; what there is is allocated all the same, and the caller decides
 * what a partial plan is worth.
 *
 * @param ranking every location that may be asked, the first to be asked first.
 */
export function planSourcing(
  lines: readonly Line[],
  supply: Supply,
  ranking: readonly string[],
  strategy: Strategy,
): Plan {
  const demands = addUp(lines);
  const left = new Map<string, Map<string, bigint>>();
  const taken = new Map<string, Map<string, bigint>>();
  for (const sku of demands.keys()) {
    left.set(sku, new Map(supply.get(sku)));
    taken.set(sku, new Map());
  }
  // Lines that name their location have no choice, so they come first; the others share what is left.
  for (const [sku, { named }] of demands) {
    for (const [locationId, quantity] of named) {
      take(sku, locationId, quantity, left, taken);
    }
  }
  const chosen = strategy === 'FEWEST_SPLITS' ? fewestLocations(demands, left, taken, ranking) : ranking;
  for (const [sku, { anywhere }] of demands) {
    let wanted = anywhere;
    for (const locationId of chosen) {
      wanted -= take(sku, locationId, wanted, left, taken);
    }
  }
  return { allocations: allocationsOf(taken), shortages: shortagesOf(demands, taken) };
}

/** Sums demand by SKU: two lines of one item are one demand (medusa#16502). */
function addUp(lines: readonly Line[]): Map<string, Demand> {
  const demands = new Map<string, Demand>();
  for (const { sku, quantity, locationId } of lines) {
    const demand = demands.get(sku) ?? { named: new Map<string, bigint>(), anywhere: 0n };
    demands.set(sku, demand);
    if (locationId === undefined) {
      demand.anywhere += quantity;
    } else {
      demand.named.set(locationId, (demand.named.get(locationId) ?? 0n) + quantity);
    }
  }
  return demands;
}

type Ledger = Map<string, Map<string, bigint>>;

/** Moves up to `wanted` units from what is left to what is taken; says how many. */
function take(sku: string, locationId: string, wanted: bigint, left: Ledger, taken: Ledger): bigint {
  const available = left.get(sku)?.get(locationId) ?? 0n;
  const units = available < wanted ? available : wanted;
  if (units <= 0n) {
    return 0n;
  }
  left.get(sku)?.set(locationId, available - units);
  const bySku = taken.get(sku);
  bySku?.set(locationId, (bySku.get(locationId) ?? 0n) + units);
  return units;
}

/**
 * The smallest set of locations that serves as much as all of them together would, the set that is asked first among those
 * of one size. Locations that named lines use already cost nothing more and are always part of it.
 */
function fewestLocations(
  demands: ReadonlyMap<string, Demand>,
  left: Ledger,
  taken: Ledger,
  ranking: readonly string[],
): readonly string[] {
  const goals = new Map<string, bigint>();
  for (const [sku, { anywhere }] of demands) {
    const total = sumOver(ranking, left.get(sku));
    const goal = smaller(anywhere, total);
    if (goal > 0n) {
      goals.set(sku, goal);
    }
  }
  const used = new Set([...taken.values()].flatMap((byLocation) => [...byLocation.keys()]));
  const free = ranking.filter((id) => used.has(id));
  const candidates = ranking.filter(
    (id) => !used.has(id) && [...goals.keys()].some((sku) => (left.get(sku)?.get(id) ?? 0n) > 0n),
  );
  const serves = (set: readonly string[]) =>
    [...goals].every(([sku, goal]) => sumOver(free, left.get(sku)) + sumOver(set, left.get(sku)) >= goal);

  let tried = 0;
  for (let size = 0; size <= candidates.length; size += 1) {
    for (const set of combinations(candidates, size)) {
      if (serves(set)) {
        return inOrder(ranking, [...free, ...set]);
      }
      tried += 1;
      if (tried === MAX_SETS_TRIED) {
        return inOrder(ranking, [...free, ...greedySet(candidates, free, goals, left)]);
      }
    }
  }
  return ranking;
}

/** Adds, until the goals are met, the location that brings most of what is still missing; the earlier one of equals. */
function greedySet(
  candidates: readonly string[],
  free: readonly string[],
  goals: ReadonlyMap<string, bigint>,
  left: Ledger,
): string[] {
  const missing = new Map([...goals].map(([sku, goal]) => [sku, goal - sumOver(free, left.get(sku))]));
  const brings = (id: string) =>
    [...missing].reduce((sum, [sku, units]) => sum + smaller(units, left.get(sku)?.get(id) ?? 0n), 0n);
  const set: string[] = [];
  const remaining = new Set(candidates);
  while (remaining.size > 0 && [...missing.values()].some((units) => units > 0n)) {
    let best = '';
    let most = -1n;
    for (const id of remaining) {
      const units = brings(id);
      if (units > most) {
        [best, most] = [id, units];
      }
    }
    for (const [sku, units] of missing) {
      missing.set(sku, units - smaller(units, left.get(sku)?.get(best) ?? 0n));
    }
    remaining.delete(best);
    set.push(best);
  }
  return set;
}

/** All ways to choose `size` of the candidates, earlier candidates first. */
function* combinations(candidates: readonly string[], size: number, from = 0): Generator<string[]> {
  if (size === 0) {
    yield [];
    return;
  }
  for (let at = from; at <= candidates.length - size; at += 1) {
    const first = candidates[at] ?? '';
    for (const rest of combinations(candidates, size - 1, at + 1)) {
      yield [first, ...rest];
    }
  }
}

function sumOver(locations: readonly string[], bySku: ReadonlyMap<string, bigint> | undefined): bigint {
  return locations.reduce((sum, id) => sum + larger(bySku?.get(id) ?? 0n, 0n), 0n);
}

function inOrder(ranking: readonly string[], set: readonly string[]): string[] {
  return ranking.filter((id) => set.includes(id));
}

/** The smaller of what is missing and what is there, never below zero. */
function smaller(missing: bigint, there: bigint): bigint {
  return larger(missing < there ? missing : there, 0n);
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function allocationsOf(taken: Ledger): Allocation[] {
  return [...taken]
    .flatMap(([sku, byLocation]) => [...byLocation].map(([locationId, quantity]) => ({ sku, locationId, quantity })))
    .sort((a, b) => compareText(a.sku, b.sku) || compareText(a.locationId, b.locationId));
}

function shortagesOf(demands: ReadonlyMap<string, Demand>, taken: Ledger): Shortage[] {
  const shortages: Shortage[] = [];
  for (const [sku, { named, anywhere }] of demands) {
    const requested = [...named.values()].reduce((sum, units) => sum + units, anywhere);
    const available = [...(taken.get(sku)?.values() ?? [])].reduce((sum, units) => sum + units, 0n);
    if (available < requested) {
      shortages.push({ sku, requested, available });
    }
  }
  return shortages.sort((a, b) => compareText(a.sku, b.sku));
}

/** Order by code unit, as the database's "C" collation has it for these ASCII names. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
