/**
 * Chooses the fewest locations that together have what is wanted. Pure arithmetic, exact for a few locations and greedy beyond, and bounded for
 * any number of them.
 */

import { smaller, sumOver, type Units } from './units.ts';

/** Sets of locations, times the goals that each is held against, that are tried before the greedy choice is taken. */
const MAX_STEPS = 20_000;

/**
 * The smallest set of locations that meets all goals, the set that is ranked first among those of one size, in the order of the ranking.
 * Locations that are used anyway cost nothing more and are always part of it. All locations together must meet the goals.
 *
 * @param goals units wanted, by SKU.
 * @param left units there are, by SKU and location.
 */
export function fewestLocations(
  goals: ReadonlyMap<string, bigint>,
  left: Units,
  used: ReadonlySet<string>,
  ranking: readonly string[],
): readonly string[] {
  const free = ranking.filter((id) => used.has(id));
  const open = [...goals]
    .map(([sku, goal]) => ({ sku, missing: goal - sumOver(free, left.get(sku)) }))
    .filter(({ missing }) => missing > 0n);
  // Units fit a number: a goal is at most that of 500 lines, and no location counts for more than the goal.
  const missing = open.map((goal) => Number(goal.missing));
  const candidates = ranking
    .filter((id) => !used.has(id))
    .map((id) => ({ id, units: open.map((goal) => Number(smaller(goal.missing, left.get(goal.sku)?.get(id) ?? 0n))) }))
    .filter(({ units }) => units.some((count) => count > 0));
  const chosen = new Set([...free, ...(smallestSet(candidates, missing) ?? greedySet(candidates, missing))]);
  return ranking.filter((id) => chosen.has(id));
}

/** A location, and how much of each goal it has. */
type Candidate = { readonly id: string; readonly units: readonly number[] };

/** The smallest set that meets the goals; undefined when it would take too long to find. */
function smallestSet(candidates: readonly Candidate[], missing: readonly number[]): string[] | undefined {
  let steps = 0;
  for (let size = 0; size <= candidates.length; size += 1) {
    for (const set of combinations(candidates, size)) {
      if (missing.every((goal, index) => set.reduce((sum, { units }) => sum + (units[index] ?? 0), 0) >= goal)) {
        return set.map(({ id }) => id);
      }
      steps += missing.length;
      if (steps > MAX_STEPS) {
        return undefined;
      }
    }
  }
  return undefined;
}

/** Adds, until the goals are met, the location that brings most of what is still missing; the earlier one of equals. */
function greedySet(candidates: readonly Candidate[], goals: readonly number[]): string[] {
  const missing = [...goals];
  const remaining = new Set(candidates);
  const set: string[] = [];
  while (remaining.size > 0 && missing.some((units) => units > 0)) {
    let best: Candidate | undefined;
    let most = -1;
    for (const candidate of remaining) {
      const brings = candidate.units.reduce((sum, units, index) => sum + Math.min(units, missing[index] ?? 0), 0);
      if (brings > most) {
        [best, most] = [candidate, brings];
      }
    }
    if (best === undefined) {
      break;
    }
    for (const [index, units] of best.units.entries()) {
      missing[index] = Math.max(0, (missing[index] ?? 0) - units);
    }
    remaining.delete(best);
    set.push(best.id);
  }
  return set;
}

/** All ways to choose `size` of the candidates, earlier candidates first. */
function* combinations(candidates: readonly Candidate[], size: number, from = 0): Generator<Candidate[]> {
  if (size === 0) {
    yield [];
    return;
  }
  for (let at = from; at <= candidates.length - size; at += 1) {
    const first = candidates[at];
    for (const rest of first === undefined ? [] : combinations(candidates, size - 1, at + 1)) {
      yield first === undefined ? rest : [first, ...rest];
    }
  }
}
