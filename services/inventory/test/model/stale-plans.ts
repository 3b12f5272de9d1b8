/**
 * Trap 1, oversell, by a replica that plans on what another has sold or taken away meanwhile: what it has seen is there no more, and only
 * the guard at the moment of allocation knows.
 */

import { expect } from 'vitest';
import { reasonFrom, requestId } from '../../../../dev/src/testing/calls.ts';
import { addItem, addStock, type Clients, levelAt } from '../harness.ts';

/** Sells six units of a new item, five at `north` and one at `south`, which must be there and be asked in this order. */
export async function sellOnStalePlans([one, two]: readonly [Clients, Clients], sku: string): Promise<void> {
  await addItem(one, { sku });
  await addStock(one, sku, 'north', 5);
  await addStock(one, sku, 'south', 1);
  // The first has seen five units; the second takes three of them and books one away.
  await reserve(one, sku, 1n);
  await reserve(two, sku, 3n);
  await addStock(two, sku, 'north', -1);
  expect(await reasonFrom(reserve(one, sku, 2n))).toBe('INSUFFICIENT_STOCK');
  await reserve(one, sku, 1n);
  expect(await levelAt(one, sku, 'north')).toMatchObject({ reserved: 4n, available: 0n });
  expect(await levelAt(one, sku, 'south')).toMatchObject({ reserved: 1n, available: 0n });
}

async function reserve({ reservations }: Clients, sku: string, quantity: bigint): Promise<void> {
  const request = { requestId: requestId(), lines: [{ sku, quantity }], ttl: { seconds: 600n } };
  await reservations.createReservation(request);
}
