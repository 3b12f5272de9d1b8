/**
 * Many callers at once on few items, of which one is kept by lot and one is short of units: whatever they do in whichever order, each is
 * served or told why not, and every balance stays the sum of what it counts.
 */

import { ConnectError } from '@connectrpc/connect';
import { StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { reasonOf } from '@weft/runtime/errors/fail';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: 20 });
  await addItem(inventory, { sku: 'D-PLAIN' });
  await addItem(inventory, { sku: 'D-SHORT' });
  await addItem(inventory, { sku: 'D-LOTS', lotTracked: true });
  await addLocation(inventory, { locationId: 'north' });
  await addLocation(inventory, { locationId: 'south' });
});
afterAll(() => inventory.stop());

/** What a caller may be told; anything else is a fault of ours. */
const REFUSALS = new Set<unknown>(['INSUFFICIENT_STOCK', 'STOCK_CHANGED', 'RESERVATION_STATE', 'RESERVATION_EXPIRED']);

const STATES = [StockState.AVAILABLE, StockState.DAMAGED, StockState.QUALITY_CONTROL, StockState.INCOMING] as const;
const EXPIRY = { seconds: 4_000_000_000n };
const sku = fc.constantFrom('D-PLAIN', 'D-SHORT', 'D-LOTS');
const locationId = fc.constantFrom('north', 'south');
const lot = fc.constantFrom('A', 'B', 'C');
const units = fc.integer({ min: 1, max: 12 });
const place = { sku, locationId, lot };

const action = fc.oneof(
  fc.record({
    kind: fc.constant('adjust' as const),
    ...place,
    state: fc.constantFrom(...STATES),
    units,
    out: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('set' as const), ...place, units, expected: units, safety: fc.nat(3) }),
  fc.record({
    kind: fc.constant('move' as const),
    ...place,
    from: fc.constantFrom(...STATES),
    to: fc.constantFrom(StockState.AVAILABLE, StockState.DAMAGED, StockState.QUALITY_CONTROL),
    units,
  }),
  fc.record({ kind: fc.constant('import' as const), rows: fc.array(fc.record({ ...place, units }), { maxLength: 6 }) }),
  fc.record({ kind: fc.constant('reserve' as const), sku, units, ttlMs: fc.constantFrom(1_000, 600_000) }),
  fc.record({ kind: fc.constant('finish' as const), release: fc.boolean() }),
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** The lot of what is booked, for items that are kept by lot. */
const lotOf = (item: string, lotId: string, ofLot = true) =>
  item === 'D-LOTS' && ofLot ? { lotId, lotExpireTime: EXPIRY } : {};

async function carryOut(one: Action, held: string[]): Promise<unknown> {
  const { stock, reservations } = inventory;
  switch (one.kind) {
    case 'adjust':
      return await stock.adjustStock({
        requestId: requestId(),
        ...lotOf(one.sku, one.lot, one.state !== StockState.INCOMING),
        sku: one.sku,
        locationId: one.locationId,
        state: one.state,
        delta: BigInt(one.out ? -one.units : one.units),
        reason: StockReason.CORRECTION,
      });
    case 'set':
      return await stock.setStock({
        requestId: requestId(),
        ...lotOf(one.sku, one.lot),
        sku: one.sku,
        locationId: one.locationId,
        onHand: BigInt(one.units),
        expectedOnHand: BigInt(one.expected),
        safety: BigInt(one.safety),
        lowStockThreshold: BigInt(one.safety),
        reason: StockReason.CORRECTION,
      });
    case 'move':
      return one.from === one.to
        ? undefined
        : await stock.moveStock({
            requestId: requestId(),
            ...lotOf(one.sku, one.lot),
            sku: one.sku,
            locationId: one.locationId,
            fromState: one.from,
            toState: one.to,
            quantity: BigInt(one.units),
          });
    case 'import': {
      const rows = one.rows.map((row) => ({
        ...lotOf(row.sku, row.lot),
        sku: row.sku,
        locationId: row.locationId,
        onHand: BigInt(row.units),
        safety: 1n,
      }));
      const chunk = { requestId: requestId(), firstLine: 1n, rows };
      return rows.length === 0
        ? undefined
        : await stock.importStock(
            (async function* () {
              yield chunk;
            })(),
          );
    }
    case 'reserve': {
      const { reservation } = await reservations.createReservation({
        requestId: requestId(),
        lines: [{ sku: one.sku, quantity: BigInt(one.units) }],
        ttl: { seconds: BigInt(Math.ceil(one.ttlMs / 1_000)) },
      });
      held.push(reservation?.reservationId ?? '');
      return undefined;
    }
    case 'finish': {
      const reservationId = held.pop();
      if (reservationId === undefined) {
        return undefined;
      }
      const request = { requestId: requestId(), reservationId };
      return await (one.release ? reservations.releaseReservation(request) : reservations.commitReservation(request));
    }
  }
}

test('whatever callers do to states and lots at once, nothing is lost, made or sold twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(action, { maxLength: 8 }), { minLength: 4, maxLength: 8 }), async (callers) => {
      const held: string[] = [];
      await Promise.all(
        callers.map(async (actions) => {
          for (const one of actions) {
            await carryOut(one, held).catch((error: unknown) => {
              expect(error).toBeInstanceOf(ConnectError);
              expect(REFUSALS, `${one.kind}: ${error}`).toContain(reasonOf(error));
            });
          }
        }),
      );
      await checkInvariants(inventory.pool);
    }),
    { numRuns: 40, endOnFailure: true },
  );
}, 60_000);
