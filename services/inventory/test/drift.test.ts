/**
 * Trap 4, counter drift (medusa#12401): many callers do whatever they like at once, and afterwards every counter is the sum of
 * what it counts.
 */

import { ReservationPolicy, SourcingStrategy } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { reasonOf } from '@weft/runtime/errors/fail';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

const SKUS = ['M-1', 'M-2', 'M-3'];
const PLACES = ['north', 'south'];

let inventory: TestInventory;
beforeAll(async () => {
  // Swept all the time: the sweep takes part in the races.
  inventory = await startInventory({ sweepIntervalMs: 5 });
  for (const locationId of PLACES) {
    await addLocation(inventory, { locationId });
  }
  for (const sku of SKUS) {
    await addItem(inventory, { sku });
  }
});
afterAll(() => inventory.stop());

const sku = fc.constantFrom(...SKUS);
const place = fc.constantFrom(...PLACES);
const line = fc.record({
  sku,
  quantity: fc.bigInt(1n, 6n),
  locationId: fc.constantFrom('', '', ...PLACES),
});
/** One thing that a caller does. `target` says which of the reservations made so far it is about. */
const operation = fc.oneof(
  fc.record({
    kind: fc.constant('adjust' as const),
    sku,
    place,
    delta: fc.integer({ min: -8, max: 8 }).filter(Boolean),
  }),
  fc.record({
    kind: fc.constant('import' as const),
    rows: fc.array(fc.record({ sku, place, onHand: fc.integer({ min: 0, max: 20 }), safety: fc.nat(3) }), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
  fc.record({
    kind: fc.constant('reserve' as const),
    lines: fc.array(line, { minLength: 1, maxLength: 4 }),
    policy: fc.constantFrom(ReservationPolicy.ALL_OR_NOTHING, ReservationPolicy.PARTIAL),
    strategy: fc.constantFrom(SourcingStrategy.PRIORITY, SourcingStrategy.FEWEST_SPLITS),
  }),
  fc.record({
    kind: fc.constant('transfer' as const),
    sku,
    between: fc.constantFrom(['north', 'south'] as const, ['south', 'north'] as const),
    quantity: fc.bigInt(1n, 5n),
    accepted: fc.bigInt(0n, 5n),
    rejected: fc.bigInt(0n, 2n),
  }),
  fc.record({ kind: fc.constant('count' as const), sku, place, counted: fc.bigInt(0n, 20n) }),
  fc.record({
    kind: fc.constantFrom(
      'confirm' as const,
      'release' as const,
      'commit' as const,
      'extend' as const,
      'expire' as const,
    ),
    target: fc.nat(),
  }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/**
 * Refusals that random callers earn; anything else is a fault. DEADLINE: a busy machine. Whether such a call had its effect or not, the sums
 * must hold.
 */
const EXPECTED = new Set([
  'INSUFFICIENT_STOCK',
  'RESERVATION_EXPIRED',
  'RESERVATION_STATE',
  'TRANSFER_EXCEEDED',
  'TRANSFER_LINES_INVALID',
  'DEADLINE',
]);

async function perform(operation: Operation, made: string[]): Promise<void> {
  const { stock, reservations, transfers, counts, pool } = inventory;
  const target = () => 'target' in operation && made[operation.target % made.length];
  switch (operation.kind) {
    case 'adjust':
      await addStock(inventory, operation.sku, operation.place, operation.delta);
      return;
    case 'import': {
      const rows = operation.rows.map((row) => ({
        sku: row.sku,
        locationId: row.place,
        onHand: BigInt(row.onHand),
        safety: BigInt(row.safety),
      }));
      await stock.importStock(
        (async function* () {
          yield { requestId: requestId(), firstLine: 1n, rows };
        })(),
      );
      return;
    }
    case 'reserve': {
      const { lines, policy, strategy } = operation;
      const request = { requestId: requestId(), lines, policy, strategy, ttl: { seconds: 60n } };
      const { reservation } = await reservations.createReservation(request);
      made.push(reservation?.reservationId ?? '');
      return;
    }
    case 'transfer': {
      const { sku, between, quantity, accepted, rejected } = operation;
      const [sourceLocationId, destinationLocationId] = between;
      const { transfer } = await transfers.createTransfer({
        requestId: requestId(),
        sourceLocationId,
        destinationLocationId,
        lines: [{ sku, quantity }],
      });
      const act = () => ({ requestId: requestId(), transferId: transfer?.transferId ?? '' });
      await transfers.shipTransfer(act());
      const lines = [{ sku, acceptedQuantity: accepted, rejectedQuantity: rejected }];
      await transfers.receiveTransfer({ ...act(), lines });
      if (accepted + rejected < quantity) {
        await transfers.cancelTransfer(act());
      }
      return;
    }
    case 'count': {
      const { sku, place: locationId, counted } = operation;
      const { count } = await counts.createCount({ requestId: requestId(), locationId, skus: [sku] });
      const act = () => ({ requestId: requestId(), countId: count?.countId ?? '' });
      await counts.submitCount({ ...act(), lines: [{ sku, countedQuantity: counted }] });
      await counts.approveCount(act());
      return;
    }
  }
  const reservationId = target();
  if (reservationId === false || reservationId === undefined) {
    return;
  }
  const request = { requestId: requestId(), reservationId };
  switch (operation.kind) {
    case 'confirm':
      await reservations.confirmReservation(request);
      return;
    case 'release':
      await reservations.releaseReservation(request);
      return;
    case 'commit':
      await reservations.commitReservation(request);
      return;
    case 'extend':
      await reservations.extendReservation({ ...request, ttl: { seconds: 120n } });
      return;
    case 'expire':
      await pool.query('UPDATE reservations SET expire_time = now() WHERE reservation_id = $1 AND state = 1', [
        reservationId,
      ]);
      return;
  }
}

test('whatever parallel callers do, the counters are the sums of what they count', async () => {
  const performed = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(operation, { minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: 6 }),
      async (callers) => {
        const made: string[] = [];
        const faults: unknown[] = [];
        await Promise.all(
          callers.map(async (operations) => {
            for (const operation of operations) {
              try {
                await perform(operation, made);
                performed.set(operation.kind, (performed.get(operation.kind) ?? 0) + 1);
              } catch (error) {
                if (!EXPECTED.has(reasonOf(error) ?? '')) {
                  faults.push(error);
                }
              }
            }
          }),
        );
        expect(faults).toEqual([]);
        await checkInvariants(inventory.pool);
      },
    ),
    // Nothing that takes seconds is worth shrinking, and what raced is not there the second time.
    { numRuns: 40, endOnFailure: true },
  );
  // Random, but not idle: every kind of operation succeeded some of the time.
  expect([...performed.keys()].sort()).toEqual([
    'adjust',
    'commit',
    'confirm',
    'count',
    'expire',
    'extend',
    'import',
    'release',
    'reserve',
    'transfer',
  ]);
}, 60_000);
