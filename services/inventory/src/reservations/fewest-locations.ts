/**
 * Chooses the fewest locations that together have what is wanted. Pure arithmetic, exact for a few locations and greedy beyond.
 */

import { smaller, sumOver, type Units } from './units.ts';

/** Sets of locations that are tried before the greedy choice is taken: all sets of up to 11 locations. */
const MAX_SETS_TRIED = 2_048;

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
  left: Units,
): string[] {
  const missing = new Map([...goals].map(([sku, goal]) => [sku, goal - sumOver(free, left.get(sku))]));
  const brings = (id: string) =>
    [...missing].reduce((total, [sku, units]) => total + smaller(units, left.get(sku)?.get(id) ?? 0n), 0n);
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

function inOrder(ranking: readonly string[], set: readonly string[]): string[] {
  return ranking.filter((id) => set.includes(id));
}
