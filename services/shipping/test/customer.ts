/** A customer of the test shop: prepares checkouts and turns them into orders. */

import { create } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import {
  CheckoutService,
  type PrepareCheckoutRequest,
  PrepareCheckoutRequestSchema,
  type PrepareCheckoutResponse,
} from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import {
  type PlaceShipmentRequest,
  PlaceShipmentRequestSchema,
  ShipmentService,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { requestId, transportAs } from '../../../dev/src/testing/calls.ts';

/** A customer's clients. */
export type Customer = {
  readonly checkouts: Client<typeof CheckoutService>;
  readonly shipments: Client<typeof ShipmentService>;
  /** Prepares a checkout: two mugs to Berlin unless `change` says otherwise. */
  prepare(change?: (request: PrepareCheckoutRequest) => void): Promise<PrepareCheckoutResponse>;
  /** Prepares one and gives the order for it, ready to be placed. */
  order(change?: (request: PrepareCheckoutRequest) => void): Promise<PlaceShipmentRequest>;
};

/** A customer at an address of shipping. */
export function customer(address: string, subject?: string, scopes = 'orders:write'): Customer {
  const transport = transportAs(address, subject === undefined ? {} : { subject, scopes });
  const checkouts = createClient(CheckoutService, transport);
  const shipments = createClient(ShipmentService, transport);
  const prepare: Customer['prepare'] = (change) => checkouts.prepareCheckout(aCheckout(change));
  return {
    checkouts,
    shipments,
    prepare,
    async order(change) {
      const request = aCheckout(change);
      return orderOf(request, await checkouts.prepareCheckout(request));
    },
  };
}

/** A request for a checkout. */
export function aCheckout(change: (request: PrepareCheckoutRequest) => void = () => {}): PrepareCheckoutRequest {
  const request = create(PrepareCheckoutRequestSchema, {
    requestId: requestId(),
    lines: [{ sku: 'MUG', quantity: 2n }],
    destination: {
      recipient: 'Ada Lovelace',
      lines: ['Invalidenstr. 43'],
      city: 'Berlin',
      postalCode: '10115',
      countryCode: 'DE',
    },
    currencyCode: 'EUR',
  });
  change(request);
  return request;
}

/** The order that takes an offer as it is. */
export function orderOf(asked: PrepareCheckoutRequest, offer: PrepareCheckoutResponse): PlaceShipmentRequest {
  return create(PlaceShipmentRequestSchema, {
    requestId: requestId(),
    quoteId: offer.quote?.quoteId ?? '',
    lines: asked.lines,
    ...(asked.destination === undefined ? {} : { destination: asked.destination }),
    rateId: offer.rateId,
    ...(offer.quote?.total === undefined ? {} : { expectedTotal: offer.quote.total }),
  });
}
