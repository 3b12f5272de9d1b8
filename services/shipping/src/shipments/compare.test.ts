// The comparison that stands between an altered basket and the warehouse (trap 28).

import { clone, create } from '@bufbuild/protobuf';
import { RateSchema } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import {
  type PlaceShipmentRequest,
  PlaceShipmentRequestSchema,
  ShipmentLineSchema,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { MoneySchema } from '@weft/gen/weft/type/v1/money_pb.js';
import { expect, test } from 'vitest';
import type { Checkout } from '../checkout/checkouts.ts';
import { firstMismatch } from './compare.ts';

const checkout: Checkout = {
  quoteId: '0197a2b4-0000-7000-8000-000000000001',
  customerId: 'ada',
  lines: [
    create(ShipmentLineSchema, { sku: 'A', name: 'Mug', quantity: 3n }),
    create(ShipmentLineSchema, { sku: 'B', name: 'Pot', quantity: 1n }),
  ],
  destination: create(AddressSchema, {
    recipient: 'Ada',
    lines: ['Hauptstr. 1'],
    city: 'Berlin',
    postalCode: '10115',
    countryCode: 'DE',
  }),
  rate: create(RateSchema, { rateId: 'signed.rate' }),
  packages: [],
  allocations: [],
  total: create(MoneySchema, { currencyCode: 'EUR', minorUnits: 4_200n }),
  expireTime: new Date(),
};

function asOffered(): PlaceShipmentRequest {
  return create(PlaceShipmentRequestSchema, {
    quoteId: checkout.quoteId,
    lines: [
      { sku: 'A', quantity: 3n },
      { sku: 'B', quantity: 1n },
    ],
    destination: clone(AddressSchema, checkout.destination),
    rateId: 'signed.rate',
    expectedTotal: { currencyCode: 'EUR', minorUnits: 4_200n },
  });
}

function mismatchAfter(change: (request: PlaceShipmentRequest) => void, customerId = 'ada'): string | undefined {
  const request = asOffered();
  change(request);
  return firstMismatch(request, customerId, checkout);
}

test('what was offered is accepted, also reordered or split', () => {
  expect(mismatchAfter(() => {})).toBeUndefined();
  expect(mismatchAfter((request) => request.lines.reverse())).toBeUndefined();
  expect(
    mismatchAfter((request) => {
      request.lines = create(PlaceShipmentRequestSchema, {
        lines: [
          { sku: 'A', quantity: 1n },
          { sku: 'B', quantity: 1n },
          { sku: 'A', quantity: 2n },
        ],
      }).lines;
    }),
  ).toBeUndefined();
});

test('each alteration is named', () => {
  const alterations: [string, (request: PlaceShipmentRequest) => void][] = [
    ['lines', ({ lines: [first] }) => Object.assign(first ?? {}, { quantity: 2n })],
    ['lines', ({ lines: [first] }) => Object.assign(first ?? {}, { sku: 'C' })],
    ['lines', ({ lines }) => lines.pop()],
    ['destination', ({ destination }) => Object.assign(destination ?? {}, { countryCode: 'AT' })],
    ['destination', ({ destination }) => Object.assign(destination ?? {}, { lines: ['Hauptstr. 2'] })],
    ['destination', ({ destination }) => Object.assign(destination ?? {}, { recipient: 'Eve' })],
    ['rate_id', (request) => Object.assign(request, { rateId: 'signed.other' })],
    ['expected_total', ({ expectedTotal }) => Object.assign(expectedTotal ?? {}, { minorUnits: 1n })],
    ['expected_total', ({ expectedTotal }) => Object.assign(expectedTotal ?? {}, { currencyCode: 'JPY' })],
  ];
  for (const [field, alter] of alterations) {
    expect(mismatchAfter(alter)).toBe(field);
  }
});

test("another customer's offer cannot be taken, an offer to nobody in particular can", () => {
  expect(mismatchAfter(() => {}, 'eve')).toBe('customer');
  expect(firstMismatch(asOffered(), 'eve', { ...checkout, customerId: '' })).toBeUndefined();
});
