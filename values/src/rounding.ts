/**
 * Rounding of exact fractions to integers. There are no floats: a fraction is a numerator and a positive denominator.
 */

/** How a fraction that lies between two integers is rounded. `HALF_*` round to the nearest and differ only at the middle. */
export type RoundingMode = 'HALF_UP' | 'HALF_DOWN' | 'HALF_EVEN' | 'UP' | 'DOWN';

/**
 * Divides and rounds. UP and HALF_UP go away from zero, DOWN and HALF_DOWN towards it, so that rounding is symmetrical: a
 * refund is rounded as the sale was.
 *
 * @param denominator at least 1.
 * @throws RangeError when the denominator is not positive.
 */
export function divideRounded(numerator: bigint, denominator: bigint, mode: RoundingMode): bigint {
  if (denominator <= 0n) {
    throw new RangeError(`the denominator must be positive, and is ${denominator}`);
  }
  const negative = numerator < 0n;
  const magnitude = negative ? -numerator : numerator;
  const quotient = magnitude / denominator;
  const remainder = magnitude % denominator;
  const rounded = awayFromZero(quotient, remainder * 2n, remainder, denominator, mode) ? quotient + 1n : quotient;
  return negative ? -rounded : rounded;
}

function awayFromZero(
  quotient: bigint,
  twice: bigint,
  remainder: bigint,
  denominator: bigint,
  mode: RoundingMode,
): boolean {
  switch (mode) {
    case 'UP':
      return remainder > 0n;
    case 'DOWN':
      return false;
    case 'HALF_UP':
      return twice >= denominator;
    case 'HALF_DOWN':
      return twice > denominator;
    case 'HALF_EVEN':
      return twice > denominator || (twice === denominator && quotient % 2n === 1n);
  }
}
