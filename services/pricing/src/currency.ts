/**
 * Money and currencies at the border of the service.
 */

import { fail } from '@weft/runtime/errors/fail';
import { isCurrency } from '@weft/values/currency';
import { AMOUNT_MAX, isAmount } from '@weft/values/money';

/**
 * Lets a code of ISO 4217 pass.
 *
 * @throws CURRENCY_UNSUPPORTED for any other.
 */
export function requireCurrency(code: string): string {
  if (!isCurrency(code)) {
    throw fail('CURRENCY_UNSUPPORTED', `${code} is not a currency of ISO 4217.`, { currency_code: code });
  }
  return code;
}

/**
 * Money within bounds.
 *
 * @throws AMOUNT_OUT_OF_RANGE
 */
export function money(minorUnits: bigint, currencyCode: string): { currencyCode: string; minorUnits: bigint } {
  if (!isAmount(minorUnits)) {
    const message = `An amount would be ${minorUnits} minor units, and may be ${AMOUNT_MAX} at most.`;
    throw fail('AMOUNT_OUT_OF_RANGE', message, { maximum: `${AMOUNT_MAX}`, currency_code: currencyCode });
  }
  return { currencyCode, minorUnits };
}
