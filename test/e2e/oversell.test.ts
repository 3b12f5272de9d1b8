/**
 * Trap 1 through the whole mesh: more customers than units, all holding an offer that was good when it was made, all ordering at
 * once. What there is is sold, and not one unit more.
 */

import { randomUUID } from 'node:crypto';
import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { QuoteService, QuoteState } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { ShipmentService, ShipmentState } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { reasonOf } from '@weft/runtime/errors/fail';
import { beforeAll, expect, test, vi } from 'vitest';
import { type TestMesh, testMesh } from '../../dev/src/testing.ts';
import { type Caller, callerOf, failureOf, prepare } from './customer.ts';
import {
  counted,
  expectConsistent,
  type Lines,
  level,
  newItem,
  type Order,
  orderOf,
  patiently,
  settled,
} from './shop.ts';

const UNITS = 10;
const CUSTOMERS = 50;
const ASKED_AT_ONCE = 5;

// A machine that is busy with something else is no failure.
vi.setConfig({ testTimeout: 120_000 });

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh();
});

test('ten units, fifty customers at once: ten orders; one is cancelled, and one more can buy', async () => {
  const merchant = await callerOf(mesh);
  const { sku, locationId } = await newItem(merchant, BigInt(UNITS));
  const lines = [{ sku, quantity: 1n }];
  const buyers = await offersFor(Array(CUSTOMERS).fill(lines));
  const outcomes = await Promise.all(buyers.map(({ customer, order }) => settled(customer, order)));
  const [winners, losers] = [[] as typeof buyers, [] as typeof buyers];
  for (const [index, buyer] of buyers.entries()) (outcomes[index] === 'CONFIRMED' ? winners : losers).push(buyer);
  expect(counted(outcomes)).toEqual({ CONFIRMED: UNITS, INSUFFICIENT_STOCK: CUSTOMERS - UNITS });

  const soldOut = { onHand: 10n, reserved: 10n, available: 0n };
  expect(await level(merchant, sku, locationId)).toMatchObject(soldOut);
  expect(await offered(merchant, sku)).toBe(0);
  await expectConsistent(mesh.databases);
  // Nobody can even be made an offer, and repeating a lost order does not win it.
  const late = await callerOf(mesh);
  expect(reasonOf(await failureOf(prepare(late, lines)))).toBe('INSUFFICIENT_STOCK');
  const [winner, loser] = [winners[0], losers[0]];
  if (winner === undefined || loser === undefined) throw new Error('nobody won, or nobody lost');
  expect(await settled(loser.customer, loser.order)).toBe('INSUFFICIENT_STOCK');
  expect(await quoteState(loser.customer, loser.order.quoteId)).not.toBe(QuoteState.ACCEPTED);

  const shipments = winner.customer.of(ShipmentService);
  const { shipment } = await patiently(() => shipments.placeShipment(winner.order));
  const cancel = { shipmentId: shipment?.shipmentId ?? '', requestId: randomUUID() };
  const cancelled = await patiently(() => shipments.cancelShipment(cancel));
  expect(cancelled.shipment?.state).toBe(ShipmentState.CANCELLED);
  expect(await offered(merchant, sku)).toBe(1);
  // An order that failed gave its quote free again: the next try with it, under a new request_id, may win.
  const again = { ...loser.order, requestId: randomUUID() };
  expect(await settled(loser.customer, again)).toBe('CONFIRMED');
  expect(await level(merchant, sku, locationId)).toMatchObject(soldOut);
  await expectConsistent(mesh.databases);
});

test('a basket of two items is sold whole or not at all, whichever of its items is short', async () => {
  const merchant = await callerOf(mesh);
  const [many, few] = [await newItem(merchant, 30n), await newItem(merchant, 3n)];
  // Half of the customers name the items in the opposite order: a lock for each would meet in the middle.
  const baskets = Array.from({ length: 12 }, (_, index) => {
    const lines = [many, few].map(({ sku }) => ({ sku, quantity: 1n }));
    return index % 2 === 0 ? lines : lines.toReversed();
  });
  const buyers = await offersFor(baskets);
  const outcomes = await Promise.all(buyers.map(({ customer, order }) => settled(customer, order)));
  expect(counted(outcomes)).toEqual({ CONFIRMED: 3, INSUFFICIENT_STOCK: 9 });
  expect(await level(merchant, many.sku, many.locationId)).toMatchObject({ reserved: 3n, available: 27n });
  expect(await level(merchant, few.sku, few.locationId)).toMatchObject({ reserved: 3n, available: 0n });
  await expectConsistent(mesh.databases);
});

/** A customer with an offer for each basket. Asked for a few at a time: the crowd is for the ordering. */
async function offersFor(baskets: readonly Lines[]): Promise<{ customer: Caller; order: Order }[]> {
  const buyers: { customer: Caller; order: Order }[] = [];
  for (let first = 0; first < baskets.length; first += ASKED_AT_ONCE) {
    const some = baskets.slice(first, first + ASKED_AT_ONCE).map(async (lines) => {
      const customer = await callerOf(mesh);
      return { customer, order: await orderOf(customer, lines) };
    });
    buyers.push(...(await Promise.all(some)));
  }
  return buyers;
}

/** Units that the shop shows to strangers. */
async function offered(caller: Caller, sku: string): Promise<number | undefined> {
  const { availabilities } = await patiently(() =>
    caller.of(AvailabilityService).batchGetAvailability({ skus: [sku] }),
  );
  return availabilities[0]?.sellableQuantity;
}

async function quoteState(caller: Caller, quoteId: string): Promise<QuoteState | undefined> {
  return (await caller.of(QuoteService).getQuote({ quoteId })).quote?.state;
}
