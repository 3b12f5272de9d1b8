/**
 * Compares what a caller sends back with what the checkout offered (trap 28: an altered basket). Pure.
 */

import { equals } from '@bufbuild/protobuf';
import type { PlaceShipmentRequest } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { MoneySchema } from '@weft/gen/weft/type/v1/money_pb.js';
import type { Checkout } from '../checkout/checkouts.ts';
import { addUp } from '../packing/goods.ts';

/** What can differ, by the name that QUOTE_MISMATCH's metadata gives it. */
export type MismatchedField = 'customer' | 'lines' | 'destination' | 'rate_id' | 'expected_total';

/**
 * The first thing that is not as it was offered; undefined when all is. Lines may come in another order, or split.
 *
 * @param customerId who places the order. An offer to nobody in particular may be taken by anyone.
 */
export function firstMismatch(
  request: PlaceShipmentRequest,
  customerId: string,
  checkout: Checkout,
): MismatchedField | undefined {
  if (checkout.customerId !== '' && checkout.customerId !== customerId) {
    return 'customer';
  }
  if (!sameLines(request, checkout)) {
    return 'lines';
  }
  if (request.destination === undefined || !equals(AddressSchema, request.destination, checkout.destination)) {
    return 'destination';
  }
  if (request.rateId !== checkout.rate.rateId) {
    return 'rate_id';
  }
  if (request.expectedTotal === undefined || !equals(MoneySchema, request.expectedTotal, checkout.total)) {
    return 'expected_total';
  }
  return undefined;
}

function sameLines(request: PlaceShipmentRequest, { lines }: Checkout): boolean {
  const wanted = addUp(request.lines);
  return wanted.size === lines.length && lines.every(({ sku, quantity }) => wanted.get(sku) === quantity);
}
