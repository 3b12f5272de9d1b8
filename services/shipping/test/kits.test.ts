// A kit is sold as one and sent as its components.

import { create } from '@bufbuild/protobuf';
import type { PrepareCheckoutRequest } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import { PackingLineSchema } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { ShipmentState } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { failure } from '../../../dev/src/testing/calls.ts';
import { type Customer, customer } from './customer.ts';
import { expectConsistent } from './expecting.ts';
import { importTariffs, openShop, type Shop } from './shop.ts';

let shop: Shop;
let ada: Customer;
beforeAll(async () => {
  shop = await openShop();
  const { address } = await shop.replica();
  await importTariffs(address);
  ada = customer(address, 'ada');
});
afterEach(() => expectConsistent(shop));
afterAll(() => shop?.close());

/** Fills the basket with units of SKUs. */
const basket =
  (...wanted: readonly [sku: string, quantity: bigint][]) =>
  (request: PrepareCheckoutRequest) => {
    request.lines = wanted.map(([sku, quantity]) => create(PackingLineSchema, { sku, quantity }));
  };

const stockOf = async () =>
  (
    await shop.pools.inventory.query(
      `SELECT sku, on_hand::int AS "onHand", reserved::int AS reserved FROM stock WHERE location_id = 'berlin' ORDER BY sku`,
    )
  ).rows;

test('the offer prices the kit, and packs what it consists of', async () => {
  const { quote, packages } = await ada.prepare(basket(['SET', 1n]));
  expect(quote?.lines).toMatchObject([{ sku: 'SET', quantity: 1n, name: 'A set' }]);
  const packed = packages.flatMap(({ contents }) => contents.map(({ sku, quantity }) => [sku, quantity]));
  expect(packed.sort()).toEqual([
    ['MUG', 2n],
    ['POT', 1n],
  ]);
});

test('an order of a kit and of its component reserves the components of both', async () => {
  const { shipment } = await ada.shipments.placeShipment(await ada.order(basket(['SET', 2n], ['MUG', 1n])));
  expect(shipment).toMatchObject({
    state: ShipmentState.CONFIRMED,
    lines: [
      { sku: 'MUG', quantity: 1n },
      { sku: 'SET', quantity: 2n, name: 'A set' },
    ],
  });
  expect(await stockOf()).toEqual([
    { sku: 'MUG', onHand: 1_000, reserved: 5 },
    { sku: 'POLE', onHand: 1_000, reserved: 0 },
    { sku: 'POT', onHand: 1_000, reserved: 2 },
  ]);
});

test('more kits than the components are enough for are refused, in kits', async () => {
  const error = await failure(ada.prepare(basket(['SET', 1_001n])));
  expect(reasonOf(error)).toBe('INSUFFICIENT_STOCK');
  expect(metadataOf(error)).toMatchObject({ sku: 'SET', requested: '1001' });
});
