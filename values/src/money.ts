/**
 * Money as text and back, exactly: minor units are bigints, text has a point before the currency's decimals. No floats.
 */

import { decimalsOf } from './currency.ts';

/** Amounts beyond this many minor units are refused everywhere; int64 holds nine thousand times as much. */
export const AMOUNT_MAX = 1_000_000_000_000_000n;

const DECIMAL = /^(?<sign>-?)(?<whole>\d+)(?:\.(?<fraction>\d+))?$/;

/**
 * The amount as a decimal text with all decimals of its currency: 1250 EUR is `12.50`, 500 JPY is `500`, 5 KWD is `0.005`.
 *
 * @throws RangeError for an unknown currency.
 */
export function formatMinorUnits(minorUnits: bigint, currencyCode: string): string {
  const decimals = decimalsOf(currencyCode);
  const negative = minorUnits < 0n;
  const digits = String(negative ? -minorUnits : minorUnits).padStart(decimals + 1, '0');
  const split = digits.length - decimals;
  const text = decimals === 0 ? digits : `${digits.slice(0, split)}.${digits.slice(split)}`;
  return negative ? `-${text}` : text;
}

/**
 * Minor units of a decimal text, such as `12.5` or `12.50` EUR.
 *
 * @throws RangeError for text that is no decimal number, has more decimals than the currency, or exceeds `AMOUNT_MAX`.
 */
export function parseMinorUnits(text: string, currencyCode: string): bigint {
  const decimals = decimalsOf(currencyCode);
  const { sign, whole, fraction = '' } = DECIMAL.exec(text)?.groups ?? {};
  if (whole === undefined || fraction.length > decimals) {
    throw new RangeError(`"${text}" is not an amount in ${currencyCode}, which has ${decimals} decimals`);
  }
  const magnitude = checkedAmount(BigInt(whole + fraction.padEnd(decimals, '0')));
  return sign === '-' ? -magnitude : magnitude;
}

/** Whether an amount is within ±`AMOUNT_MAX`. */
export function isAmount(minorUnits: bigint): boolean {
  return minorUnits <= AMOUNT_MAX && minorUnits >= -AMOUNT_MAX;
}

/**
 * The amount itself, when it is within ±`AMOUNT_MAX`.
 *
 * @throws RangeError otherwise.
 */
export function checkedAmount(minorUnits: bigint): bigint {
  if (!isAmount(minorUnits)) {
    throw new RangeError(`an amount may have ${AMOUNT_MAX} minor units at most`);
  }
  return minorUnits;
}
