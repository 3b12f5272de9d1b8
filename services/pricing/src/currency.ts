/**
 * Currencies at the border of the service.
 */

import { fail } from '@weft/runtime/errors/fail';
import { isCurrency } from '@weft/values/currency';

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
