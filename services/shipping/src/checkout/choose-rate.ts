/** Chooses the rate that a checkout's quote will include. */

import type { Rate } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { fail } from '@weft/runtime/errors/fail';

/**
 * The cheapest of the rates, or the cheapest of the carrier and the service that are wanted.
 *
 * @param rates cheapest first.
 * @param wanted empty ids leave the choice.
 * @throws NO_SHIPPING_RATE when the one wanted is not among them.
 */
export function chooseRate(rates: readonly Rate[], wanted: { carrierId: string; serviceId: string }): Rate {
  const { carrierId, serviceId } = wanted;
  const chosen = rates.find(
    (rate) => (carrierId === '' || rate.carrierId === carrierId) && (serviceId === '' || rate.serviceId === serviceId),
  );
  if (chosen === undefined) {
    const name = [carrierId, serviceId].filter(Boolean).join(' ');
    throw fail('NO_SHIPPING_RATE', `${name} does not carry this; others do.`, {
      carrier_id: carrierId,
      service_id: serviceId,
    });
  }
  return chosen;
}
