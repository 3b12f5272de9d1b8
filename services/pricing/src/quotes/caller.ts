/**
 * What a caller may say about a quote. Shipping issued the charge and knows the customer; everybody else says neither.
 */

import type { CreateQuoteRequest } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import { currentCall } from '@weft/runtime/server/call';

/** The workload that may put a charge and a customer on a quote. */
const SHIPPING = 'shipping';

/**
 * Whom the quote is for: what shipping says, else the token's subject, else nobody.
 *
 * @throws SHIPPING_CHARGE_FORBIDDEN, and INVALID_FIELD for a charge in another currency than the quote's.
 */
export function customerOf({ shippingCharge, customerId, currencyCode }: CreateQuoteRequest): string {
  const caller = currentCall()?.caller;
  if (caller?.workload !== SHIPPING) {
    if (shippingCharge !== undefined || customerId !== '') {
      throw fail('SHIPPING_CHARGE_FORBIDDEN');
    }
    return caller?.subject ?? '';
  }
  if (shippingCharge !== undefined && shippingCharge.charge?.currencyCode !== currencyCode) {
    const field = 'shipping_charge.charge.currency_code';
    const description = `must be the quote's currency, ${currencyCode}`;
    throw fail('INVALID_FIELD', `${field}: ${description}`, {}, { fieldViolations: [{ field, description }] });
  }
  return customerId;
}
