/**
 * Packs items into cartons by weight and volume: first fit, largest items first, then each carton is exchanged for the
 * smallest that holds its contents. It reckons with counts, never with single units, so that ten thousand units of an item
 * cost as much as one; the work is bounded by items x packages. Pure and deterministic: the same demand gives the same packages.
 */

import { fitsInto, type Sides, volumeOf } from './box.ts';

/** Units of one item to pack. */
export type PackItem = {
  readonly sku: string;
  /** Units, 1 or more. */
  readonly quantity: number;
  readonly sides: Sides;
  readonly weightGrams: number;
};

/** A kind of carton, of which there are enough. */
export type Carton = {
  readonly cartonId: string;
  readonly sides: Sides;
  readonly tareGrams: number;
  readonly maxContentGrams: number;
};

/** A package: a carton, or (without) one unit in its own packaging. */
export type Packed = {
  readonly cartonId: string | undefined;
  readonly sides: Sides;
  /** Contents and carton. */
  readonly weightGrams: number;
  /** Units by SKU, sorted by SKU. */
  readonly contents: readonly { readonly sku: string; readonly quantity: number }[];
};

/**
 * How much of a carton's volume is counted on, in percent. Boxes of mixed sizes leave gaps: good open-source packers fill
 * 79.55 % of a container on OR-Library's thpack1. A unit that has a carton to itself may fill it wholly.
 */
export const FILL_PERCENT = 75;

/** A carton that is being filled. */
type Bin = {
  carton: Carton;
  readonly contents: Map<PackItem, number>;
  units: number;
  volume: number;
  contentGrams: number;
};

/**
 * Packs all units.
 *
 * @param items each SKU once.
 * @returns the packages, or undefined when more than `maxPackages` would be needed.
 */
export function pack(
  items: readonly PackItem[],
  cartons: readonly Carton[],
  maxPackages: number,
): readonly Packed[] | undefined {
  const bins: Bin[] = [];
  const bare: Packed[] = [];
  for (const item of [...items].sort(largestFirst)) {
    let left = item.quantity;
    for (const bin of bins) {
      left -= add(bin, item, left);
    }
    while (left > 0) {
      if (bins.length + bare.length === maxPackages) {
        return undefined;
      }
      const carton = roomiestFor(item, left, cartons);
      if (carton === undefined) {
        bare.push(inOwnPackaging(item));
        left -= 1;
      } else {
        const bin: Bin = { carton, contents: new Map(), units: 0, volume: 0, contentGrams: 0 };
        bins.push(bin);
        left -= add(bin, item, left);
      }
    }
  }
  return [...bins.map((bin) => close(bin, cartons)), ...bare];
}

/** By volume, then weight, both descending, then SKU. */
function largestFirst(a: PackItem, b: PackItem): number {
  return (
    volumeOf(b.sides) - volumeOf(a.sides) ||
    b.weightGrams - a.weightGrams ||
    (a.sku < b.sku ? -1 : a.sku > b.sku ? 1 : 0)
  );
}

/** Puts as many of `wanted` units into the bin as it holds, and says how many. */
function add(bin: Bin, item: PackItem, wanted: number): number {
  const units = Math.min(wanted, roomFor(item, bin.carton, bin));
  if (units > 0) {
    bin.contents.set(item, (bin.contents.get(item) ?? 0) + units);
    bin.units += units;
    bin.volume += units * volumeOf(item.sides);
    bin.contentGrams += units * item.weightGrams;
  }
  return units;
}

const EMPTY = { units: 0, volume: 0, contentGrams: 0 } as const;

/** Units of an item that a carton still takes, given what is in it. */
function roomFor(item: PackItem, carton: Carton, filled: Omit<Bin, 'carton' | 'contents'>): number {
  if (!fitsInto(item.sides, carton.sides)) {
    return 0;
  }
  const byWeight = Math.floor((carton.maxContentGrams - filled.contentGrams) / item.weightGrams);
  const byVolume = Math.floor((usableVolume(carton) - filled.volume) / volumeOf(item.sides));
  return Math.max(0, Math.min(byWeight, filled.units === 0 ? Math.max(1, byVolume) : byVolume));
}

function usableVolume(carton: Carton): number {
  return Math.floor((volumeOf(carton.sides) * FILL_PERCENT) / 100);
}

/**
 * The carton to open for an item: the one that takes most of the units that are left and, of those, the one with most room
 * for what comes after. Undefined when no carton holds even one unit.
 */
function roomiestFor(item: PackItem, left: number, cartons: readonly Carton[]): Carton | undefined {
  let best: Carton | undefined;
  let most = 0;
  for (const carton of cartons) {
    const units = Math.min(left, roomFor(item, carton, EMPTY));
    if (units > most || (units > 0 && units === most && best !== undefined && isRoomier(carton, best))) {
      best = carton;
      most = units;
    }
  }
  return best;
}

function isRoomier(a: Carton, b: Carton): boolean {
  return (volumeOf(a.sides) - volumeOf(b.sides) || a.maxContentGrams - b.maxContentGrams || idOrder(b, a)) > 0;
}

/** Exchanges the carton for the smallest that holds the contents, and writes down the package. */
function close(bin: Bin, cartons: readonly Carton[]): Packed {
  let carton = bin.carton;
  for (const other of cartons) {
    if (holds(other, bin) && isSmaller(other, carton)) {
      carton = other;
    }
  }
  return {
    cartonId: carton.cartonId,
    sides: carton.sides,
    weightGrams: bin.contentGrams + carton.tareGrams,
    contents: [...bin.contents]
      .map(([{ sku }, quantity]) => ({ sku, quantity }))
      .sort((a, b) => (a.sku < b.sku ? -1 : 1)),
  };
}

function holds(carton: Carton, bin: Bin): boolean {
  return (
    bin.contentGrams <= carton.maxContentGrams &&
    (bin.units === 1 || bin.volume <= usableVolume(carton)) &&
    [...bin.contents.keys()].every((item) => fitsInto(item.sides, carton.sides))
  );
}

function isSmaller(a: Carton, b: Carton): boolean {
  return (volumeOf(a.sides) - volumeOf(b.sides) || a.tareGrams - b.tareGrams || idOrder(a, b)) < 0;
}

function idOrder(a: Carton, b: Carton): number {
  return a.cartonId < b.cartonId ? -1 : a.cartonId > b.cartonId ? 1 : 0;
}

function inOwnPackaging(item: PackItem): Packed {
  return {
    cartonId: undefined,
    sides: item.sides,
    weightGrams: item.weightGrams,
    contents: [{ sku: item.sku, quantity: 1 }],
  };
}
