// PlaceShipment: what was offered is placed once, and nothing else is.

import { toBinary } from '@bufbuild/protobuf';
import {
  type PlaceShipmentRequest,
  PlaceShipmentResponseSchema,
  ShipmentState,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { metadataOf, reasonOf, retryAfterMsOf } from '@weft/runtime/errors/fail';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failure, requestId } from '../../../dev/src/testing/calls.ts';
import { SAGA_TIMES } from '../src/shipments/saga/times.ts';
import { aCheckout, type Customer, customer } from './customer.ts';
import { expectConsistent } from './expecting.ts';
import { importTariffs, openShop, type Shop } from './shop.ts';

const CREATE = 'weft.inventory.v1.ReservationService/CreateReservation';
const CONFIRM = 'weft.inventory.v1.ReservationService/ConfirmReservation';
const ACCEPT = 'weft.pricing.v1.QuoteService/AcceptQuote';

let shop: Shop;
let ada: Customer;
let eve: Customer;
let address: string;

beforeAll(async () => {
  shop = await openShop();
  ({ address } = await shop.replica({ ...SAGA_TIMES, giveUpMs: 3_000, firstPauseMs: 50, sweepMs: 50 }));
  await importTariffs(address);
  ada = customer(address, 'ada');
  eve = customer(address, 'eve');
});
afterEach(async () => {
  shop.crossing.mend();
  await expectConsistent(shop);
});
afterAll(() => shop?.close());

const place = (request: PlaceShipmentRequest, who = ada) => who.shipments.placeShipment(request);

test('an order is placed as it was offered', async () => {
  const order = await ada.order();
  const { shipment } = await place(order);
  expect(shipment).toMatchObject({
    state: ShipmentState.CONFIRMED,
    customerId: 'ada',
    quoteId: order.quoteId,
    lines: [{ sku: 'MUG', name: 'A mug', quantity: 2n }],
    destination: { city: 'Berlin' },
    packages: [{ originLocationId: 'berlin' }],
    rate: { rateId: order.rateId, serviceId: 'standard' },
    total: { minorUnits: 2_879n },
    failureReason: '',
  });
  const { rows } = await shop.pools.inventory.query(
    'SELECT reference, state FROM reservations WHERE reservation_id = $1',
    [shipment?.reservationId],
  );
  expect(rows).toEqual([{ reference: shipment?.shipmentId, state: 2 }]);
});

describe('the same request', () => {
  test('places one order and gets the same bytes, at once, later, and after a cancellation', async () => {
    const order = await ada.order();
    const at = (times: number) => Promise.all(Array.from({ length: times }, () => place(order)));
    const responses = await at(10);
    await ada.shipments.cancelShipment({
      requestId: requestId(),
      shipmentId: responses[0]?.shipment?.shipmentId ?? '',
    });
    responses.push(...(await at(2)));
    const bytes = new Set(
      responses.map((response) => Buffer.from(toBinary(PlaceShipmentResponseSchema, response)).toString('hex')),
    );
    expect(bytes.size).toBe(1);
    const { rows } = await shop.pools.shipping.query('SELECT 1 FROM shipments WHERE quote_id = $1', [order.quoteId]);
    expect(rows).toHaveLength(1);
  });

  test('with another body is refused', async () => {
    const order = await ada.order();
    await place(order);
    const altered = { ...order, lines: [] };
    expect(reasonOf(await failure(place({ ...(await ada.order()), requestId: order.requestId })))).toBe(
      'REQUEST_ID_REUSED',
    );
    expect(reasonOf(await failure(place(altered)))).toBe('INVALID_FIELD');
  });

  test('that failed gets the same failure', async () => {
    const order = await ada.order(({ lines: [line] }) => Object.assign(line ?? {}, { sku: 'POT', quantity: 3n }));
    await shop.stock('POT', 'berlin', 2);
    const failures = [await failure(place(order)), await failure(place(order))];
    await shop.stock('POT', 'berlin', 1_000);
    failures.push(await failure(place(order)));
    for (const error of failures) {
      expect(reasonOf(error)).toBe('INSUFFICIENT_STOCK');
      expect(metadataOf(error)).toEqual(metadataOf(failures[0]));
    }
    const shipmentId = metadataOf(failures[0]).shipment_id ?? '';
    const { shipment } = await ada.shipments.getShipment({ shipmentId });
    expect(shipment).toMatchObject({ state: ShipmentState.FAILED, failureReason: 'INSUFFICIENT_STOCK' });
  });
});

describe('the same quote', () => {
  test('is placed once, however many try at once', async () => {
    const order = await ada.order();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => place({ ...order, requestId: requestId() })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [reasonOf(outcome.reason)] : []));
    expect(new Set(reasons)).toEqual(new Set(['QUOTE_STATE']));
  });

  test('can be tried again after a failure that did not touch it', async () => {
    const order = await ada.order(({ lines: [line] }) => Object.assign(line ?? {}, { sku: 'POT', quantity: 3n }));
    await shop.stock('POT', 'berlin', 0);
    expect(reasonOf(await failure(place(order)))).toBe('INSUFFICIENT_STOCK');
    await shop.stock('POT', 'berlin', 1_000);
    expect((await place({ ...order, requestId: requestId() })).shipment?.state).toBe(ShipmentState.CONFIRMED);
  });
});

describe('what was not offered is refused (trap 28)', () => {
  test('an altered order names what was altered', async () => {
    const order = await ada.order();
    const other = await ada.order((request) => Object.assign(request, { serviceId: 'express' }));
    const alterations: [string, Partial<PlaceShipmentRequest>][] = [
      ['lines', { lines: aCheckout(({ lines: [line] }) => Object.assign(line ?? {}, { quantity: 3n })).lines }],
      ['destination', pick(aCheckout(({ destination }) => Object.assign(destination ?? {}, { city: 'Bonn' })))],
      ['rate_id', { rateId: other.rateId }],
      ['rate_id', { rateId: `${order.rateId.slice(0, -2)}xx` }],
      ['expected_total', other.expectedTotal === undefined ? {} : { expectedTotal: other.expectedTotal }],
    ];
    for (const [field, change] of alterations) {
      const error = await failure(place({ ...order, ...change, requestId: requestId() }));
      expect([reasonOf(error), metadataOf(error).field]).toEqual(['QUOTE_MISMATCH', field]);
    }
  });

  test("another customer's offer", async () => {
    const order = await ada.order();
    const error = await failure(place(order, eve));
    expect([reasonOf(error), metadataOf(error).field]).toEqual(['QUOTE_MISMATCH', 'customer']);
  });

  test('an offer to nobody in particular is anyone’s, once', async () => {
    const order = await customer(address).order();
    expect((await place(order, eve)).shipment?.customerId).toBe('eve');
    expect(reasonOf(await failure(place({ ...order, requestId: requestId() })))).toBe('QUOTE_STATE');
  });

  test('a quote that no checkout made', async () => {
    const order = await ada.order();
    const error = await failure(place({ ...order, quoteId: requestId() }));
    expect(reasonOf(error)).toBe('QUOTE_NOT_FOUND');
  });

  test('an offer whose time is over', async () => {
    const order = await ada.order();
    await shop.pools.shipping.query('UPDATE checkouts SET expire_time = now() WHERE quote_id = $1', [order.quoteId]);
    expect(reasonOf(await failure(place(order)))).toBe('QUOTE_EXPIRED');
  });

  test('a quote whose time is over at pricing gives the stock back', async () => {
    const order = await ada.order();
    await endQuote(order.quoteId);
    expect(reasonOf(await failure(place(order)))).toBe('QUOTE_EXPIRED');
  });

  test('without a user', async () => {
    const order = await ada.order();
    expect(reasonOf(await failure(place(order, customer(address))))).toBe('UNAUTHENTICATED');
  });
});

/** Ends a quote at pricing, which never changes one that it issued. */
async function endQuote(quoteId: string): Promise<void> {
  await shop.pools.pricing.query(`
    BEGIN;
    ALTER TABLE quotes DISABLE TRIGGER quotes_immutable;
    UPDATE quotes SET expire_time = now() WHERE quote_id = '${quoteId}';
    ALTER TABLE quotes ENABLE TRIGGER quotes_immutable;
    COMMIT`);
}

describe('trouble on the way', () => {
  test.each([CREATE, ACCEPT, CONFIRM])('a lost answer of %s is asked for again', async (rpc) => {
    const order = await ada.order();
    shop.crossing.fail(rpc, 'answer', 2);
    expect((await place(order)).shipment?.state).toBe(ShipmentState.CONFIRMED);
  });

  test.each([CREATE, ACCEPT, CONFIRM])('%s that never answers is undone in the end', async (rpc) => {
    const order = await ada.order();
    shop.crossing.fail(rpc, 'answer');
    const error = await failure(place(order));
    expect(['SHIPMENT_ABANDONED', 'SHIPMENT_PENDING']).toContain(reasonOf(error));
    // Undoing RESERVE asks CreateReservation for the id, which must be answered for that.
    shop.crossing.mend();
    await expectConsistent(shop);
    expect(reasonOf(await failure(place(order)))).toBe('SHIPMENT_ABANDONED');
  });

  test.each([CREATE, ACCEPT, CONFIRM])('%s that cannot be reached is undone in the end', async (rpc) => {
    const order = await ada.order();
    shop.crossing.fail(rpc, 'request');
    const error = await failure(place(order));
    expect(['SHIPMENT_ABANDONED', 'SHIPMENT_PENDING']).toContain(reasonOf(error));
    shop.crossing.mend();
    await expectConsistent(shop);
  });

  test('a caller whose time is short is told that it is pending, and learns the outcome later', async () => {
    const order = await ada.order();
    const hold = shop.crossing.hold(ACCEPT, 'answer');
    const error = await failure(ada.shipments.placeShipment(order, { timeoutMs: 1_000 }));
    expect(reasonOf(error)).toBe('SHIPMENT_PENDING');
    expect(retryAfterMsOf(error)).toBeGreaterThan(0);
    hold.release();
    expect((await place(order)).shipment?.state).toBe(ShipmentState.CONFIRMED);
  });

  test('a caller who leaves does not stop the work', async () => {
    const order = await ada.order();
    const hold = shop.crossing.hold(CREATE, 'answer');
    const left = new AbortController();
    const call = failure(ada.shipments.placeShipment(order, { signal: left.signal }));
    await hold.reached;
    left.abort();
    await call;
    hold.release();
    await expectConsistent(shop);
    const { rows } = await shop.pools.shipping.query('SELECT state FROM shipments WHERE quote_id = $1', [
      order.quoteId,
    ]);
    expect(rows).toEqual([{ state: ShipmentState.CONFIRMED }]);
  });
});

test('stock N and more than N customers: exactly N orders, the rest INSUFFICIENT_STOCK', async () => {
  const orders = await Promise.all(
    Array.from({ length: 24 }, () =>
      ada.order(({ lines: [line] }) => Object.assign(line ?? {}, { sku: 'POT', quantity: 1n })),
    ),
  );
  await shop.stock('POT', 'berlin', (await reserved('POT')) + 7);
  const outcomes = await Promise.allSettled(orders.map((order) => place(order)));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(7);
  const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [reasonOf(outcome.reason)] : []));
  expect(new Set(reasons)).toEqual(new Set(['INSUFFICIENT_STOCK']));
});

async function reserved(sku: string): Promise<number> {
  const { rows } = await shop.pools.inventory.query(
    `SELECT reserved FROM stock WHERE sku = $1 AND location_id = 'berlin'`,
    [sku],
  );
  return Number(rows[0]?.reserved);
}

function pick({ destination }: ReturnType<typeof aCheckout>): Partial<PlaceShipmentRequest> {
  return destination === undefined ? {} : { destination };
}
