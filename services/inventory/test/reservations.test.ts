import { create, toBinary } from '@bufbuild/protobuf';
import {
  CreateReservationResponseSchema,
  ReservationPolicy,
  ReservationState,
  SourcingStrategy,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, levelAt, NEVER_MS, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

let inventory: TestInventory;
// Nobody sweeps: whatever these tests see of expiry is decided by the clock.
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
  await addLocation(inventory, { locationId: 'hamburg', pickPriority: 1, servedCountryCodes: ['DE', 'FR'] });
  await addLocation(inventory, { locationId: 'lyon', pickPriority: 2, servedCountryCodes: ['FR'] });
  await addLocation(inventory, { locationId: 'austin', pickPriority: 3 });
});
afterAll(async () => {
  await checkInvariants(inventory.pool);
  await inventory.stop();
});

type Line = { sku: string; quantity: bigint; locationId?: string };

let skus = 0;
/** A new item with this many units at each location. */
async function stocked(units: Record<string, number>): Promise<string> {
  skus += 1;
  const sku = `R-${skus}`;
  await addItem(inventory, { sku });
  for (const [locationId, count] of Object.entries(units).filter(([, count]) => count > 0)) {
    await addStock(inventory, sku, locationId, count);
  }
  return sku;
}

async function reserve(lines: Line[], options: object = {}) {
  const request = { requestId: requestId(), lines, ttl: { seconds: 600n }, ...options };
  const { reservation } = await inventory.reservations.createReservation(request);
  if (reservation === undefined) {
    throw new Error('a response without a reservation');
  }
  return reservation;
}

const named = ({ reservationId }: { reservationId: string }) => ({ reservationId });
const act = (reservationId: string) => ({ requestId: requestId(), reservationId });

/** Makes a hold run out now: as the clock would, without waiting for it. */
async function runOut(reservationId: string): Promise<void> {
  await inventory.pool.query(
    `UPDATE reservations SET expire_time = now() - interval '1 millisecond' WHERE reservation_id = $1`,
    [reservationId],
  );
}

async function sellable(sku: string, destinationCountryCode = ''): Promise<number | undefined> {
  const { availabilities } = await inventory.availability.batchGetAvailability({ skus: [sku], destinationCountryCode });
  return availabilities[0]?.sellableQuantity;
}

describe('create', () => {
  test('holds units, says where, and for how long', async () => {
    const sku = await stocked({ hamburg: 2, lyon: 5 });
    const reservation = await reserve([{ sku, quantity: 4n }], { reference: 'order 7' });
    expect(reservation).toMatchObject({
      state: ReservationState.HELD,
      allocations: [
        { sku, locationId: 'hamburg', quantity: 2n },
        { sku, locationId: 'lyon', quantity: 2n },
      ],
      shortages: [],
      reference: 'order 7',
    });
    expect(Number((reservation.expireTime?.seconds ?? 0n) - (reservation.createTime?.seconds ?? 0n))).toBe(600);
    const { reservation: read } = await inventory.reservations.getReservation(named(reservation));
    expect(read).toEqual(reservation);
    expect(await levelAt(inventory, sku, 'lyon')).toMatchObject({ onHand: 5n, reserved: 2n, available: 3n });
  });

  test('trap 2: the same SKU twice in one request is one demand', async () => {
    const sku = await stocked({ hamburg: 1 });
    const lines = [
      { sku, quantity: 1n },
      { sku, quantity: 1n },
    ];
    const error = await failure(reserve(lines));
    expect(reasonOf(error)).toBe('INSUFFICIENT_STOCK');
    expect(metadataOf(error)).toEqual({ sku, requested: '2', available: '1' });
    expect(await sellable(sku)).toBe(1);
  });

  test('all or nothing takes nothing of a basket that cannot be served whole', async () => {
    const [full, empty] = [await stocked({ hamburg: 5 }), await stocked({})];
    expect(await reasonFrom(reserve([full, empty].map((sku) => ({ sku, quantity: 1n }))))).toBe('INSUFFICIENT_STOCK');
    expect(await sellable(full)).toBe(5);
  });

  test('partial takes what there is and says what is short', async () => {
    const [some, none] = [await stocked({ hamburg: 3 }), await stocked({})];
    const reservation = await reserve(
      [
        { sku: some, quantity: 5n },
        { sku: none, quantity: 2n },
      ],
      { policy: ReservationPolicy.PARTIAL },
    );
    expect(reservation.allocations).toMatchObject([{ sku: some, quantity: 3n }]);
    expect(reservation.shortages).toMatchObject([
      { sku: some, requestedQuantity: 5n, availableQuantity: 3n },
      { sku: none, requestedQuantity: 2n, availableQuantity: 0n },
    ]);
    expect((await inventory.reservations.getReservation(named(reservation))).reservation).toEqual(reservation);
    const nothing = reserve([{ sku: none, quantity: 1n }], { policy: ReservationPolicy.PARTIAL });
    expect(await reasonFrom(nothing)).toBe('INSUFFICIENT_STOCK');
  });

  test('asks only locations that serve the destination', async () => {
    const sku = await stocked({ hamburg: 1, lyon: 1, austin: 1 });
    const to = (destinationCountryCode: string, quantity: bigint) =>
      reserve([{ sku, quantity }], { destinationCountryCode });
    expect(await reasonFrom(to('US', 2n))).toBe('INSUFFICIENT_STOCK');
    expect((await to('DE', 2n)).allocations.map(({ locationId }) => locationId)).toEqual(['austin', 'hamburg']);
  });

  test('takes a line that names a location from there and nowhere else', async () => {
    const sku = await stocked({ hamburg: 5, lyon: 1 });
    expect(await reasonFrom(reserve([{ sku, quantity: 2n, locationId: 'lyon' }]))).toBe('INSUFFICIENT_STOCK');
    expect((await reserve([{ sku, quantity: 1n, locationId: 'lyon' }])).allocations).toMatchObject([
      { locationId: 'lyon' },
    ]);
    expect(await reasonFrom(reserve([{ sku, quantity: 1n, locationId: 'atlantis' }]))).toBe('LOCATION_NOT_FOUND');
  });

  test('fewest splits: one location for the whole basket where one has all', async () => {
    const [a, b] = [await stocked({ hamburg: 1, austin: 1 }), await stocked({ austin: 1 })];
    const lines = [a, b].map((sku) => ({ sku, quantity: 1n }));
    const { allocations } = await reserve(lines, { strategy: SourcingStrategy.FEWEST_SPLITS });
    expect(allocations.map(({ locationId }) => locationId)).toEqual(['austin', 'austin']);
  });

  test('refuses what is not sold, and bounds', async () => {
    expect(await reasonFrom(reserve([{ sku: 'R-NONE', quantity: 1n }]))).toBe('ITEM_NOT_FOUND');
    const sku = await stocked({ hamburg: 1 });
    for (const quantity of [0n, -1n, 1_000_000_001n]) {
      expect(await reasonFrom(reserve([{ sku, quantity }]))).toBe('INVALID_FIELD');
    }
    expect(await reasonFrom(reserve([]))).toBe('INVALID_FIELD');
    expect(await reasonFrom(reserve([{ sku, quantity: 1n }], { reference: 'a\0b' }))).toBe('INVALID_FIELD');
    expect(await reasonFrom(reserve([{ sku, quantity: 1n }], { ttl: { seconds: 0n, nanos: 5 } }))).toBe(
      'INVALID_FIELD',
    );
    expect(await reasonFrom(reserve([{ sku, quantity: 1_000_000_000n }]))).toBe('INSUFFICIENT_STOCK');
  });

  test('safety stock is not sold, and availability never shows below zero', async () => {
    const sku = await stocked({ hamburg: 2, lyon: 3 });
    await inventory.stock.setStock({ requestId: requestId(), sku, locationId: 'hamburg', safety: 5n });
    expect(await levelAt(inventory, sku, 'hamburg')).toMatchObject({ available: -3n });
    expect(await sellable(sku)).toBe(3);
    expect(await reasonFrom(reserve([{ sku, quantity: 4n }]))).toBe('INSUFFICIENT_STOCK');
    expect((await reserve([{ sku, quantity: 3n }])).allocations).toMatchObject([{ locationId: 'lyon', quantity: 3n }]);
  });
});

describe('plan', () => {
  test('tells what create would do, and sets nothing aside', async () => {
    const sku = await stocked({ hamburg: 1, lyon: 1 });
    const plan = await inventory.reservations.planSourcing({
      lines: [{ sku, quantity: 3n }],
      destinationCountryCode: 'FR',
    });
    expect(plan.allocations.map(({ locationId }) => locationId)).toEqual(['hamburg', 'lyon']);
    expect(plan.shortages).toMatchObject([{ sku, requestedQuantity: 3n, availableQuantity: 2n }]);
    expect(await sellable(sku)).toBe(2);
    const unknown = inventory.reservations.planSourcing({ lines: [{ sku: 'R-NONE', quantity: 3n }] });
    expect(await reasonFrom(unknown)).toBe('ITEM_NOT_FOUND');
  });
});

describe('trap 1: oversell', () => {
  test.each([1, 8, 25])('stock %i, twenty times as many callers at once: exactly as many succeed', async (units) => {
    const sku = await stocked({ hamburg: Math.ceil(units / 2), austin: Math.floor(units / 2) });
    const outcomes = await Promise.allSettled(
      Array.from({ length: units * 20 }, () => reserve([{ sku, quantity: 1n }])),
    );
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(outcomes.length - refused.length).toBe(units);
    expect(new Set(refused.map(({ reason }) => reasonOf(reason)))).toEqual(new Set(['INSUFFICIENT_STOCK']));
    expect(await sellable(sku)).toBe(0);
  });
});

describe('trap 5: deadlock', () => {
  test('baskets in opposite order, with releases and commits among them, all get an answer', async () => {
    const pair = [await stocked({ hamburg: 400, lyon: 400 }), await stocked({ hamburg: 400, lyon: 400 })];
    const deadlocks = () =>
      inventory.pool
        .query<{ deadlocks: bigint }>('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()')
        .then(({ rows }) => rows[0]?.deadlocks);
    const before = await deadlocks();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, async (_, index) => {
        const order = index % 2 === 0 ? pair : [...pair].reverse();
        const { reservationId } = await reserve(order.map((sku) => ({ sku, quantity: 2n })));
        if (index % 3 === 0) {
          await inventory.reservations.releaseReservation(act(reservationId));
        } else if (index % 3 === 1) {
          await inventory.reservations.confirmReservation(act(reservationId));
          await inventory.reservations.commitReservation(act(reservationId));
        }
      }),
    );
    expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
    await inventory.pool.query('SELECT pg_stat_force_next_flush()');
    expect(await deadlocks()).toBe(before);
  });
});

describe('trap 7: double submit', () => {
  test('concurrent duplicates get one reservation and the same bytes; another body is an error', async () => {
    const sku = await stocked({ hamburg: 100 });
    const request = { requestId: requestId(), lines: [{ sku, quantity: 1n }], ttl: { seconds: 60n } };
    const send = () => inventory.reservations.createReservation(request);
    const answers = [...(await Promise.all(Array.from({ length: 20 }, send))), await send()];
    const bytes = answers.map((answer) =>
      Buffer.from(toBinary(CreateReservationResponseSchema, create(CreateReservationResponseSchema, answer))).toString(
        'hex',
      ),
    );
    expect(new Set(bytes).size).toBe(1);
    expect(await sellable(sku)).toBe(99);
    const shouted = { ...request, requestId: request.requestId.toUpperCase() };
    expect(await reasonFrom(inventory.reservations.createReservation(shouted))).toBe('REQUEST_ID_REUSED');
    const other = { ...request, lines: [{ sku, quantity: 2n }] };
    expect(await reasonFrom(inventory.reservations.createReservation(other))).toBe('REQUEST_ID_REUSED');
    expect(await reasonFrom(inventory.as('pricing').reservations.createReservation(other))).toBe(undefined);
  });

  test('a refused request may be sent again with its key once there is stock', async () => {
    const sku = await stocked({});
    const request = { requestId: requestId(), lines: [{ sku, quantity: 1n }], ttl: { seconds: 60n } };
    const send = () => inventory.reservations.createReservation(request);
    expect(await reasonFrom(send())).toBe('INSUFFICIENT_STOCK');
    await addStock(inventory, sku, 'hamburg', 1);
    expect((await send()).reservation?.state).toBe(ReservationState.HELD);
  });
});

describe('trap 8: expiry', () => {
  test('a hold that ran out frees its units at once, for readers and for the next caller, before any sweep', async () => {
    const sku = await stocked({ hamburg: 3 });
    const held = await reserve([{ sku, quantity: 3n }], { ttl: { seconds: 1n } });
    expect(await sellable(sku)).toBe(0);
    await expect.poll(() => sellable(sku), { timeout: 5_000 }).toBe(3);
    expect(await levelAt(inventory, sku, 'hamburg')).toMatchObject({ reserved: 0n, available: 3n });
    const { reservation } = await inventory.reservations.getReservation(named(held));
    expect(reservation?.state).toBe(ReservationState.EXPIRED);
    expect(reservation?.expireTime).toBeUndefined();
    await reserve([{ sku, quantity: 3n }]);
  });

  test('a hold over two items that ran out is given back whole when either is taken', async () => {
    const [a, b] = [await stocked({ hamburg: 1 }), await stocked({ lyon: 1 })];
    const held = await reserve([a, b].map((sku) => ({ sku, quantity: 1n })));
    await runOut(held.reservationId);
    await reserve([{ sku: b, quantity: 1n }]);
    const { rows } = await inventory.pool.query('SELECT sku, reserved FROM stock WHERE sku = ANY($1) ORDER BY sku', [
      [a, b],
    ]);
    expect(rows).toEqual([
      { sku: a, reserved: 0n },
      { sku: b, reserved: 1n },
    ]);
  });

  test('nothing can be done with it any more', async () => {
    const sku = await stocked({ hamburg: 1 });
    const { reservationId } = await reserve([{ sku, quantity: 1n }]);
    await runOut(reservationId);
    const { reservations } = inventory;
    expect(await reasonFrom(reservations.confirmReservation(act(reservationId)))).toBe('RESERVATION_EXPIRED');
    const extend = reservations.extendReservation({ ...act(reservationId), ttl: { seconds: 60n } });
    expect(await reasonFrom(extend)).toBe('RESERVATION_EXPIRED');
    expect(await reasonFrom(reservations.commitReservation(act(reservationId)))).toBe('RESERVATION_STATE');
    const { reservation } = await reservations.releaseReservation(act(reservationId));
    expect(reservation?.state).toBe(ReservationState.EXPIRED);
  });

  test('confirm and expiry raced 1,000 times: one wins, and the units are with the winner', async () => {
    const sku = await stocked({ hamburg: 1_000 });
    /** Somebody tidies at the moment at which the hold is confirmed and runs out. */
    const race = async (endsInMs: number) => {
      const { reservationId } = await reserve([{ sku, quantity: 1n }]);
      await inventory.pool.query(
        `UPDATE reservations SET expire_time = clock_timestamp() + $2 * interval '1 millisecond' WHERE reservation_id = $1`,
        [reservationId, endsInMs],
      );
      const [refused] = await Promise.all([
        reasonFrom(inventory.reservations.confirmReservation(act(reservationId))),
        failure(reserve([{ sku, quantity: 100_000n }])),
      ]);
      const { reservation } = await inventory.reservations.getReservation({ reservationId });
      expect(refused).toBe(reservation?.state === ReservationState.CONFIRMED ? undefined : 'RESERVATION_EXPIRED');
      return refused;
    };
    let confirmed = 0;
    for (let round = 0; round < 25; round += 1) {
      const outcomes = await Promise.all(Array.from({ length: 40 }, (_, index) => race(index)));
      confirmed += outcomes.filter((refused) => refused === undefined).length;
    }
    expect(confirmed).toBeGreaterThan(0);
    expect(confirmed).toBeLessThan(1_000);
    expect(await levelAt(inventory, sku, 'hamburg')).toMatchObject({ reserved: BigInt(confirmed) });
  });
});

describe('trap 9: release twice', () => {
  test('stock comes back once, also when both come at once with keys of their own', async () => {
    const sku = await stocked({ hamburg: 5 });
    const [one, two] = [await reserve([{ sku, quantity: 2n }]), await reserve([{ sku, quantity: 2n }])];
    const release = ({ reservationId }: { reservationId: string }) =>
      inventory.reservations.releaseReservation(act(reservationId));
    await Promise.all([release(one), release(one), release(one)]);
    expect((await release(one)).reservation?.state).toBe(ReservationState.RELEASED);
    expect(await levelAt(inventory, sku, 'hamburg')).toMatchObject({ reserved: 2n, available: 3n });
    expect(two.state).toBe(ReservationState.HELD);
  });
});

describe('from state to state', () => {
  test('held, extended, confirmed, committed: the goods leave, and the ledger says so', async () => {
    const sku = await stocked({ hamburg: 5 });
    const { reservations, stock } = inventory;
    const { reservationId, expireTime } = await reserve([{ sku, quantity: 2n }]);
    const extended = await reservations.extendReservation({ ...act(reservationId), ttl: { seconds: 3_600n } });
    expect(Number((extended.reservation?.expireTime?.seconds ?? 0n) - (expireTime?.seconds ?? 0n))).toBeGreaterThan(
      2_000,
    );
    expect(await reasonFrom(reservations.commitReservation(act(reservationId)))).toBe('RESERVATION_STATE');

    const { reservation } = await reservations.confirmReservation(act(reservationId));
    expect(reservation).toMatchObject({ state: ReservationState.CONFIRMED });
    expect(reservation?.expireTime).toBeUndefined();
    expect((await reservations.confirmReservation(act(reservationId))).reservation).toEqual(reservation);
    const extend = reservations.extendReservation({ ...act(reservationId), ttl: { seconds: 60n } });
    expect(await reasonFrom(extend)).toBe('RESERVATION_STATE');

    await reservations.commitReservation(act(reservationId));
    expect(await levelAt(inventory, sku, 'hamburg')).toMatchObject({ onHand: 3n, reserved: 0n });
    const { ledgerEntries } = await stock.listLedgerEntries({ sku });
    expect(ledgerEntries[0]).toMatchObject({
      onHandDelta: -2n,
      onHandAfter: 3n,
      reason: StockReason.SHIPPED,
      source: reservationId,
      actor: 'shipping',
    });
    const twice = await failure(reservations.commitReservation(act(reservationId)));
    expect(reasonOf(twice)).toBe('RESERVATION_STATE');
    expect(metadataOf(twice)).toEqual({ reservation_id: reservationId, state: 'COMMITTED' });
    expect(await reasonFrom(reservations.releaseReservation(act(reservationId)))).toBe('RESERVATION_STATE');
    expect(await reasonFrom(reservations.confirmReservation(act(reservationId)))).toBe('RESERVATION_STATE');
  });

  test('a commit that is repeated ships once', async () => {
    const sku = await stocked({ hamburg: 5 });
    const { reservationId } = await reserve([{ sku, quantity: 2n }]);
    await inventory.reservations.confirmReservation(act(reservationId));
    const request = act(reservationId);
    await Promise.all([1, 2, 3].map(() => inventory.reservations.commitReservation(request)));
    expect(await levelAt(inventory, sku, 'hamburg')).toMatchObject({ onHand: 3n, reserved: 0n });
  });

  test('a confirmed reservation can be released', async () => {
    const sku = await stocked({ hamburg: 1 });
    const { reservationId } = await reserve([{ sku, quantity: 1n }]);
    await inventory.reservations.confirmReservation(act(reservationId));
    await inventory.reservations.releaseReservation(act(reservationId));
    expect(await sellable(sku)).toBe(1);
  });

  test('an id that no reservation has', async () => {
    const { reservations } = inventory;
    for (const call of [
      () => reservations.getReservation({ reservationId: requestId() }),
      () => reservations.confirmReservation(act(requestId())),
      () => reservations.releaseReservation(act(requestId())),
      () => reservations.commitReservation(act(requestId())),
      () => reservations.extendReservation({ ...act(requestId()), ttl: { seconds: 60n } }),
    ]) {
      expect(await reasonFrom(call())).toBe('RESERVATION_NOT_FOUND');
    }
  });
});

describe('list', () => {
  test('newest first, by state as of now, page by page', async () => {
    const sku = await stocked({ hamburg: 10 });
    const made: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      made.push((await reserve([{ sku, quantity: 1n }])).reservationId);
    }
    await runOut(made[1] ?? '');
    await inventory.reservations.confirmReservation(act(made[2] ?? ''));
    const inState = async (state: ReservationState) => {
      const ids: string[] = [];
      let pageToken = '';
      do {
        const page = await inventory.reservations.listReservations({ state, pageSize: 2, pageToken });
        ids.push(...page.reservations.map(({ reservationId }) => reservationId));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return ids.filter((id) => made.includes(id));
    };
    expect(await inState(ReservationState.UNSPECIFIED)).toEqual([...made].reverse());
    expect(await inState(ReservationState.HELD)).toEqual([made[4], made[3], made[0]]);
    expect(await inState(ReservationState.EXPIRED)).toEqual([made[1]]);
    expect(await inState(ReservationState.CONFIRMED)).toEqual([made[2]]);
  });
});
