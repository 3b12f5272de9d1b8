/**
 * Arithmetic on units by SKU and location, as sourcing needs it.
 */

/** Units by SKU and location. */
export type Units = Map<string, Map<string, bigint>>;

/** Units at these locations, what is below zero counted as zero. */
export function sumOver(locations: readonly string[], levels: ReadonlyMap<string, bigint> | undefined): bigint {
  let total = 0n;
  for (const id of locations) {
    const units = levels?.get(id) ?? 0n;
    total += units > 0n ? units : 0n;
  }
  return total;
}

/** The smaller of two quantities, never below zero. */
export function smaller(a: bigint, b: bigint): bigint {
  const less = a < b ? a : b;
  return less > 0n ? less : 0n;
}

/** All of them together. */
export function sum(quantities: Iterable<bigint>): bigint {
  let total = 0n;
  for (const quantity of quantities) {
    total += quantity;
  }
  return total;
}

/** Adds to a count, which begins at zero. */
export function add(units: Map<string, bigint>, key: string, more: bigint): void {
  units.set(key, (units.get(key) ?? 0n) + more);
}

/** Adds units at a location. */
export function addAt(units: Units, sku: string, locationId: string, more: bigint): void {
  const levels = units.get(sku) ?? new Map<string, bigint>();
  units.set(sku, levels);
  add(levels, locationId, more);
}

/** Order by code unit, as the database's "C" collation has it for these ASCII names. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
