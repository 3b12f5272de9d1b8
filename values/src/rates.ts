/**
 * Rates in parts per million: 190,000 is 19 %. Amounts are integers in minor units.
 */

import { divideRounded, type RoundingMode } from './rounding.ts';

/** Parts that make the whole. */
export const PPM = 1_000_000n;

/** A share of an amount: `amount * rate`, rounded. */
export function shareOf(amount: bigint, ratePpm: bigint, mode: RoundingMode): bigint {
  return divideRounded(amount * ratePpm, PPM, mode);
}

/**
 * The tax that is inside a gross amount: `gross * rate / (1 + rate)`, rounded. What remains is the net amount, so that
 * net + tax = gross always.
 *
 * @param ratePpm at least 0.
 */
export function taxWithin(gross: bigint, ratePpm: bigint, mode: RoundingMode): bigint {
  return divideRounded(gross * ratePpm, PPM + ratePpm, mode);
}
