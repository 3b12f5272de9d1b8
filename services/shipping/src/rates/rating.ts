/**
 * What carriers ask for parcels. Pure arithmetic in integers: each parcel counts by its true or its dimensional weight, the
 * heavier one, and costs what the lightest step that holds it costs; a service's charge is the sum over all parcels.
 */

import { type Sides, volumeOf } from '../packing/box.ts';

/** A package as a carrier sees it. */
export type Parcel = { readonly originCountryCode: string; readonly sides: Sides; readonly weightGrams: number };

/** The price of a parcel of up to a weight. */
export type Step = { readonly maxWeightGrams: number; readonly minorUnits: bigint };

/** What a carrier's service asks on the way to one destination, in one currency. */
export type Tariff = {
  readonly carrierId: string;
  readonly serviceId: string;
  readonly name: string;
  /** Cubic centimetres that count as one kilogram; 0: size does not count. */
  readonly dimensionalDivisor: number;
  readonly minTransitDays: number;
  readonly maxTransitDays: number;
  /** Steps of the destination's zone by country of origin, lightest first. An origin that is not served is absent. */
  readonly stepsByOrigin: ReadonlyMap<string, readonly Step[]>;
};

/** A service and what it charges for all parcels together. */
export type Charge = { readonly tariff: Tariff; readonly minorUnits: bigint };

/** The largest amount that the contract's Money holds. */
const MINOR_UNITS_MAX = 1_000_000_000_000_000n;

/**
 * The weight that a parcel is charged by, in grams, rounded up. A divisor of d cubic centimetres to the kilogram is d cubic
 * millimetres to the gram.
 */
export function chargeableGrams(parcel: Parcel, dimensionalDivisor: number): number {
  const dimensional = dimensionalDivisor === 0 ? 0 : Math.ceil(volumeOf(parcel.sides) / dimensionalDivisor);
  return Math.max(parcel.weightGrams, dimensional);
}

/** What a service charges for all parcels; undefined when it does not carry one of them. */
export function chargeFor(tariff: Tariff, parcels: readonly Parcel[]): bigint | undefined {
  let sum = 0n;
  for (const parcel of parcels) {
    const grams = chargeableGrams(parcel, tariff.dimensionalDivisor);
    const step = tariff.stepsByOrigin
      .get(parcel.originCountryCode)
      ?.find(({ maxWeightGrams }) => maxWeightGrams >= grams);
    if (step === undefined) {
      return undefined;
    }
    sum += step.minorUnits;
  }
  return sum > MINOR_UNITS_MAX ? undefined : sum;
}

/** The charges of all services that carry all parcels: cheapest first, then fastest, then by carrier and service. */
export function rankCharges(tariffs: readonly Tariff[], parcels: readonly Parcel[]): readonly Charge[] {
  return tariffs
    .flatMap((tariff) => {
      const minorUnits = chargeFor(tariff, parcels);
      return minorUnits === undefined ? [] : [{ tariff, minorUnits }];
    })
    .sort(cheapestThenFastest);
}

function cheapestThenFastest(a: Charge, b: Charge): number {
  return (
    (a.minorUnits < b.minorUnits ? -1 : a.minorUnits > b.minorUnits ? 1 : 0) ||
    a.tariff.maxTransitDays - b.tariff.maxTransitDays ||
    a.tariff.minTransitDays - b.tariff.minTransitDays ||
    compareText(a.tariff.carrierId, b.tariff.carrierId) ||
    compareText(a.tariff.serviceId, b.tariff.serviceId)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
