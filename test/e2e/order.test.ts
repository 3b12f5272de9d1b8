/**
 * The main job, through the edge and the whole mesh: from a basket to an order that is bound once, and cannot be altered.
 */

import { randomUUID } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { ReservationService, ReservationState } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { QuoteService, QuoteState } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import {
  PlaceShipmentResponseSchema,
  ShipmentService,
  ShipmentState,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { beforeAll, describe, expect, test } from 'vitest';
import { type TestMesh, testMesh } from '../../dev/src/testing.ts';
import { BASKET, BERLIN, buy, type Caller, callerOf, failureOf, orderFor, prepare } from './customer.ts';
import { level, newItem } from './shop.ts';

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh();
});

describe('an offer', () => {
  test('adds up exactly: lines, shipping and tax, whoever asks', async () => {
    const stranger = await callerOf(mesh, { scopes: 'none' });
    const { quote, rates, rateId, packages } = await prepare(stranger);
    const lines = quote?.lines ?? [];
    expect(lines.map(({ sku, quantity }) => ({ sku, quantity }))).toEqual(
      BASKET.toSorted((a, b) => (a.sku < b.sku ? -1 : 1)),
    );
    const amounts = [...lines.map(({ amount }) => amount), quote?.shipping?.amount];
    for (const amount of amounts) {
      expect((amount?.net?.minorUnits ?? 0n) + (amount?.tax?.minorUnits ?? 0n)).toBe(amount?.gross?.minorUnits);
    }
    const sum = (part: 'gross' | 'tax') =>
      amounts.reduce((total, amount) => total + (amount?.[part]?.minorUnits ?? 0n), 0n);
    expect(quote?.total?.minorUnits).toBe(sum('gross'));
    expect(quote?.tax?.minorUnits).toBe(sum('tax'));
    expect(rates.find((rate) => rate.rateId === rateId)?.charge?.minorUnits).toBe(
      quote?.shipping?.amount?.gross?.minorUnits,
    );
    const packed = packages.flatMap(({ contents }) => contents);
    for (const { sku, quantity } of BASKET) {
      expect(packed.filter((one) => one.sku === sku).reduce((total, one) => total + one.quantity, 0n)).toBe(quantity);
    }
  });

  test('cannot be had with a charge or a customer of the caller’s own making', async () => {
    const thief = await callerOf(mesh);
    const request = {
      requestId: randomUUID(),
      lines: [{ sku: 'KIT-CHEF-KNIFE-20', quantity: 1n }],
      currencyCode: 'EUR',
      destination: BERLIN,
    };
    const quotes = thief.of(QuoteService);
    const charge = { rateId: 'x', name: 'gratis', charge: { currencyCode: 'EUR', minorUnits: 0n } };
    expect(reasonOf(await failureOf(quotes.createQuote({ ...request, shippingCharge: charge })))).toBe(
      'SHIPPING_CHARGE_FORBIDDEN',
    );
    expect(reasonOf(await failureOf(quotes.createQuote({ ...request, customerId: 'somebody' })))).toBe(
      'SHIPPING_CHARGE_FORBIDDEN',
    );
    const { quote } = await quotes.createQuote(request);
    const order = {
      ...request,
      requestId: randomUUID(),
      quoteId: quote?.quoteId ?? '',
      rateId: 'x',
      expectedTotal: { currencyCode: 'EUR', minorUnits: 1n },
    };
    expect(reasonOf(await failureOf(thief.of(ShipmentService).placeShipment(order)))).toBe('QUOTE_NOT_FOUND');
  });
});

describe('an order', () => {
  test('binds stock, quote and rate together', async () => {
    const customer = await callerOf(mesh);
    const shipment = await buy(customer);
    expect(shipment.state).toBe(ShipmentState.CONFIRMED);
    const { quote } = await customer.of(QuoteService).getQuote({ quoteId: shipment.quoteId });
    expect(quote?.state).toBe(QuoteState.ACCEPTED);
    expect(quote?.reference).toBe(shipment.shipmentId);
    expect(await reservationStates(customer)).toContainEqual([shipment.reservationId, ReservationState.CONFIRMED]);
    const { shipment: read } = await customer.of(ShipmentService).getShipment({ shipmentId: shipment.shipmentId });
    expect(read).toEqual(shipment);
  });

  test('trap 7: sent ten times at once is one order, and every answer the same bytes', async () => {
    const customer = await callerOf(mesh, { scopes: ['orders:write'] });
    const order = orderFor(await prepare(customer));
    const shipments = customer.of(ShipmentService);
    const answers = await Promise.all(Array.from({ length: 10 }, () => shipments.placeShipment(order)));
    expect(
      new Set(answers.map((answer) => Buffer.from(toBinary(PlaceShipmentResponseSchema, answer)).toString('hex'))).size,
    ).toBe(1);
    expect((await shipments.listShipments({})).shipments).toHaveLength(1);
    const altered = { ...order, lines: [{ sku: 'KIT-CHEF-KNIFE-20', quantity: 1n }] };
    expect(reasonOf(await failureOf(shipments.placeShipment(altered)))).toBe('REQUEST_ID_REUSED');
  });

  test('of one quote is placed once, whatever the request_id', async () => {
    const customer = await callerOf(mesh);
    const order = orderFor(await prepare(customer));
    const shipments = customer.of(ShipmentService);
    const outcomes = await Promise.all(
      Array.from({ length: 5 }, () => failureOf(shipments.placeShipment({ ...order, requestId: randomUUID() }))),
    );
    expect(outcomes.filter((error) => error === undefined)).toHaveLength(1);
    for (const error of outcomes.filter((outcome) => outcome !== undefined)) {
      expect(['QUOTE_STATE', 'SHIPMENT_PENDING']).toContain(reasonOf(error));
    }
  });

  test.each([
    ['lines', { lines: [{ sku: 'COF-HOUSE-ESPRESSO-250', quantity: 200n }] }],
    ['destination', { destination: { ...BERLIN, city: 'Hamburg', postalCode: '20095' } }],
    ['rate_id', { rateId: 'free-of-charge' }],
    ['expected_total', { expectedTotal: { currencyCode: 'EUR', minorUnits: 1n } }],
  ])('trap 28: with altered %s is refused', async (field, alteration) => {
    const customer = await callerOf(mesh);
    const order = orderFor(await prepare(customer));
    const error = await failureOf(customer.of(ShipmentService).placeShipment({ ...order, ...alteration }));
    expect(reasonOf(error)).toBe('QUOTE_MISMATCH');
    expect(metadataOf(error).field).toBe(field);
  });

  test('trap 28: with another customer’s quote is refused; another’s shipment is not found', async () => {
    const [ada, bob] = [await callerOf(mesh), await callerOf(mesh)];
    const order = orderFor(await prepare(ada));
    expect(metadataOf(await failureOf(bob.of(ShipmentService).placeShipment(order))).field).toBe('customer');
    const { shipment } = await ada.of(ShipmentService).placeShipment(order);
    const shipmentId = shipment?.shipmentId ?? '';
    const eve = await callerOf(mesh, { scopes: ['orders:write'] });
    expect(reasonOf(await failureOf(eve.of(ShipmentService).getShipment({ shipmentId })))).toBe('SHIPMENT_NOT_FOUND');
    const cancel = { shipmentId, requestId: randomUUID() };
    expect(reasonOf(await failureOf(eve.of(ShipmentService).cancelShipment(cancel)))).toBe('SHIPMENT_NOT_FOUND');
    expect((await eve.of(ShipmentService).listShipments({})).shipments).toEqual([]);
    const clerk = await callerOf(mesh, { scopes: ['orders:read'] });
    expect((await clerk.of(ShipmentService).getShipment({ shipmentId })).shipment?.customerId).toBe(ada.subject);
  });

  test('is cancelled once: the stock comes back once', async () => {
    const customer = await callerOf(mesh);
    const { sku, locationId } = await newItem(customer, 3n);
    const shipment = await buy(customer, [{ sku, quantity: 2n }]);
    expect(await level(customer, sku, locationId)).toMatchObject({ onHand: 3n, reserved: 2n, available: 1n });
    const shipments = customer.of(ShipmentService);
    const cancel = { shipmentId: shipment.shipmentId, requestId: randomUUID() };
    const answers = await Promise.all([shipments.cancelShipment(cancel), shipments.cancelShipment(cancel)]);
    expect(answers.map((answer) => answer.shipment?.state)).toEqual([ShipmentState.CANCELLED, ShipmentState.CANCELLED]);
    expect(await level(customer, sku, locationId)).toMatchObject({ onHand: 3n, reserved: 0n, available: 3n });
    const again = { ...cancel, requestId: randomUUID() };
    expect(reasonOf(await failureOf(shipments.cancelShipment(again)))).toBe('SHIPMENT_STATE');
  });
});

test('a customer follows their order by a stream that resumes', async () => {
  const customer = await callerOf(mesh);
  const stop = new AbortController();
  const shipments = customer.of(ShipmentService);
  let resumeToken = '';
  for await (const message of shipments.watchShipments({}, { signal: stop.signal })) {
    resumeToken = message.resumeToken;
    if (message.event.case === 'bookmark') break;
  }
  const { shipmentId } = await buy(customer);
  const states: ShipmentState[] = [];
  for await (const { event } of shipments.watchShipments({ resumeToken, shipmentId: '' }, { signal: stop.signal })) {
    if (event.case === 'changed' && event.value.shipmentId === shipmentId) {
      states.push(event.value.state);
      if (event.value.state === ShipmentState.CONFIRMED) break;
    }
  }
  expect(states.at(-1)).toBe(ShipmentState.CONFIRMED);
});

async function reservationStates(caller: Caller): Promise<[string, ReservationState][]> {
  const { reservations } = await caller.of(ReservationService).listReservations({ pageSize: 200 });
  return reservations.map(({ reservationId, state }) => [reservationId, state]);
}
