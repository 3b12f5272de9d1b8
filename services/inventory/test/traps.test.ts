/**
 * Traps of selling stock that need more than one caller on one server: two replicas, a checkout that takes its time, the crowd before
 * a hot item. The other traps stand beside what they are about. Where a trap is a failure of a known product, its issue is named.
 */

import { toBinary } from '@bufbuild/protobuf';
import {
  ConfirmReservationResponseSchema,
  ReservationState,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { reasonOf, retryAfterMsOf } from '@weft/runtime/errors/fail';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { openTestDatabase } from '../../../dev/src/testing/hosted.ts';
import { type PostgresProxy, postgresProxy } from '../../../dev/src/testing/postgres-proxy.ts';
import { addItem, addLocation, addStock, type Clients, levelAt, startReplica } from './harness.ts';
import { checkInvariants } from './invariants.ts';
import { sellOnStalePlans } from './model/stale-plans.ts';

type Replica = Awaited<ReturnType<typeof startReplica>>;

let databaseUrl: string;
let pool: Pool;
let proxy: PostgresProxy;
/** Two servers on one database; the first is reached by way of the proxy. */
let replicas: readonly [Replica, Replica];
const ending: (() => Promise<void>)[] = [];
beforeAll(async () => {
  const database = await openTestDatabase('inventory');
  ({ pool, url: databaseUrl } = database);
  proxy = await postgresProxy(database.url);
  replicas = [await startReplica(proxy.url), await startReplica(database.url)];
  ending.push(
    ...replicas.map((replica) => replica.stop),
    () => proxy.stop(),
    () => database.drop(),
  );
  await addLocation(replicas[0], { locationId: 'north', pickPriority: 1 });
  await addLocation(replicas[0], { locationId: 'south', pickPriority: 2 });
});
afterAll(async () => {
  await checkInvariants(pool);
  for (const end of ending) {
    await end();
  }
});

let skus = 0;
async function stocked(units: number, south = 0): Promise<string> {
  skus += 1;
  const sku = `T-${skus}`;
  await addItem(replicas[0], { sku });
  await addStock(replicas[0], sku, 'north', units);
  if (south > 0) {
    await addStock(replicas[0], sku, 'south', south);
  }
  return sku;
}

async function reserve({ reservations }: Clients, sku: string, quantity = 1n): Promise<string> {
  const request = { requestId: requestId(), lines: [{ sku, quantity }], ttl: { seconds: 600n } };
  return (await reservations.createReservation(request)).reservation?.reservationId ?? '';
}

const act = (reservationId: string) => ({ requestId: requestId(), reservationId });

test('trap 1: oversell, by two replicas at once: 20 x N callers for N units, exactly N succeed', async () => {
  const sku = await stocked(9, 6);
  const outcomes = await Promise.all(
    Array.from({ length: 300 }, (_, index) => reasonFrom(reserve(replicas[index % 2 === 0 ? 0 : 1], sku))),
  );
  expect(outcomes.filter((reason) => reason === undefined)).toHaveLength(15);
  expect(new Set(outcomes)).toEqual(new Set([undefined, 'INSUFFICIENT_STOCK']));
});

test('trap 1: oversell, by one replica that plans on what another has sold or taken away meanwhile', async () => {
  await sellOnStalePlans(replicas, 'T-STALE');
});

test('trap 3: what is reserved while a customer pays is sold to nobody else, however long it takes (vendure#1738)', async () => {
  const sku = await stocked(1);
  const checkout = await reserve(replicas[0], sku);
  const others = await Promise.all(Array.from({ length: 10 }, () => reasonFrom(reserve(replicas[1], sku))));
  expect(new Set(others)).toEqual(new Set(['INSUFFICIENT_STOCK']));
  await replicas[0].reservations.confirmReservation(act(checkout));
  // Confirmed is for good: no clock takes it away any more.
  await pool.query('UPDATE reservations SET expire_time = now() WHERE reservation_id = $1', [checkout]);
  expect(await reasonFrom(reserve(replicas[1], sku))).toBe('INSUFFICIENT_STOCK');
  await replicas[1].reservations.commitReservation(act(checkout));
  expect(await levelAt(replicas[0], sku, 'north')).toMatchObject({ onHand: 0n, reserved: 0n });
});

describe('trap 6: the hot SKU', () => {
  test('is reserved for a crowd in few statements, each a transaction of its own: nothing is asked for under a lock', async () => {
    const sku = await stocked(1_000);
    await reserve(replicas[0], sku);
    const [statements, transactions] = [proxy.passed(/reserve_planned/), proxy.passed(/^BEGIN/)];
    await Promise.all(Array.from({ length: 512 }, () => reserve(replicas[0], sku)));
    expect(proxy.passed(/reserve_planned/) - statements).toBeLessThan(64);
    expect(proxy.passed(/^BEGIN/) - transactions).toBe(0);
    expect(await levelAt(replicas[0], sku, 'north')).toMatchObject({ reserved: 513n });
  });

  test('refuses early who finds the queue full, and says when to come again', async () => {
    const sku = await stocked(1_000);
    const narrow = await startReplica(databaseUrl, { maxWaitingReservations: 8 });
    onTestFinished(() => narrow.stop());
    const holder = await pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM stock WHERE sku = $1 FOR UPDATE', [sku]);
      // A batch waits for the row; behind it eight callers may.
      const waiting = reserve(narrow, sku);
      await settledIn(1);
      const crowd = Array.from({ length: 20 }, () =>
        reserve(narrow, sku).then(
          () => undefined,
          (error: unknown) => error,
        ),
      );
      const refused: unknown[] = [];
      for (const call of crowd) {
        void call.then((error) => error !== undefined && refused.push(error));
      }
      await expect.poll(() => refused.length, { timeout: 1_500 }).toBe(12);
      expect(new Set(refused.map(reasonOf))).toEqual(new Set(['OVERLOADED']));
      expect(retryAfterMsOf(refused[0])).toBeGreaterThan(0);
      await holder.query('COMMIT');
      expect((await Promise.all(crowd)).filter((error) => error === undefined)).toHaveLength(8);
      await waiting;
    } finally {
      holder.release();
    }
    expect(await levelAt(replicas[0], sku, 'north')).toMatchObject({ reserved: 9n });
  });

  /** Waits until this many reservations wait for a row. */
  async function settledIn(count: number): Promise<void> {
    await expect
      .poll(async () => {
        const { rows } = await pool.query<{ count: bigint }>(
          `SELECT count(*) AS count FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%reserve_planned%'`,
        );
        return rows[0]?.count;
      })
      .toBe(BigInt(count));
  }
});

test('trap 10: partial failure: a caller that died after any step of an order strands nothing', async () => {
  const sku = await stocked(10);
  const steps: ((reservationId: string) => Promise<unknown>)[] = [
    (reservationId) => replicas[0].reservations.confirmReservation(act(reservationId)),
    (reservationId) => replicas[0].reservations.commitReservation(act(reservationId)),
  ];
  for (let done = 0; done <= steps.length; done += 1) {
    const reservationId = await reserve(replicas[0], sku);
    for (const step of steps.slice(0, done)) {
      await step(reservationId);
    }
    // Whoever takes the order over does not know how far it came, and compensates.
    const released = await reasonFrom(replicas[1].reservations.releaseReservation(act(reservationId)));
    expect(released).toBe(done < steps.length ? undefined : 'RESERVATION_STATE');
  }
  expect(await levelAt(replicas[0], sku, 'north')).toMatchObject({ onHand: 9n, reserved: 0n, available: 9n });
});

describe('trap 12: replays and reordering', () => {
  test('a late confirmation or release does not undo what came after it (nearmerch#214)', async () => {
    const sku = await stocked(5);
    const reservationId = await reserve(replicas[0], sku, 2n);
    const confirmation = act(reservationId);
    const { reservations } = replicas[0];
    const first = await reservations.confirmReservation(confirmation);
    await reservations.commitReservation(act(reservationId));
    // The same request, late: the first answer, and no effect.
    const again = await replicas[1].reservations.confirmReservation(confirmation);
    expect(toBinary(ConfirmReservationResponseSchema, again)).toEqual(
      toBinary(ConfirmReservationResponseSchema, first),
    );
    // Other requests of a caller who is behind.
    expect(await reasonFrom(reservations.confirmReservation(act(reservationId)))).toBe('RESERVATION_STATE');
    expect(await reasonFrom(reservations.releaseReservation(act(reservationId)))).toBe('RESERVATION_STATE');
    const extension = { ...act(reservationId), ttl: { seconds: 60n } };
    expect(await reasonFrom(reservations.extendReservation(extension))).toBe('RESERVATION_STATE');
    const { reservation } = await reservations.getReservation({ reservationId });
    expect(reservation?.state).toBe(ReservationState.COMMITTED);
    expect(await levelAt(replicas[0], sku, 'north')).toMatchObject({ onHand: 3n, reserved: 0n });
  });

  test('bookings that come late and in another order are each booked once', async () => {
    const sku = await stocked(1, 1);
    const bookings = Array.from({ length: 12 }, (_, index) => ({
      requestId: requestId(),
      sku,
      locationId: 'north',
      delta: BigInt(index + 1),
      reason: StockReason.RECEIVED,
    }));
    const book = (order: typeof bookings) =>
      Promise.all(order.map((request, index) => replicas[index % 2 === 0 ? 0 : 1].stock.adjustStock(request)));
    await book(bookings);
    await book(bookings.toReversed());
    expect(await levelAt(replicas[0], sku, 'north')).toMatchObject({ onHand: 79n });
    expect(await failure(replicas[1].stock.adjustStock({ ...bookings[0], delta: 2n }))).toMatchObject({
      message: expect.stringContaining('[already_exists]'),
    });
  });
});
