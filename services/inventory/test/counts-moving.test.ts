/**
 * Counts while everything moves: bookings before, between and after, some of them under way; promises; items that are deleted or kept
 * otherwise meanwhile. What people counted is the truth of the time at which they counted, and of no other.
 */

import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { CountState } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { post } from '../src/stock/ledger.ts';
import { lockStock } from '../src/stock/lock.ts';
import { ensureStock } from '../src/stock/references.ts';
import { addLot, approve, instant, type Lines, newItem, openCount, shown, submit } from './counting.ts';
import { addLocation, addStock, levelAt, NEVER_MS, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

const { SUBMITTED } = CountState;

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
  await addLocation(inventory, { locationId: 'alpha' });
});
afterAll(async () => {
  await checkInvariants(inventory.pool);
  await inventory.stop();
});

describe('a booking under way while people count', () => {
  const occasion = { reason: StockReason.CORRECTION, source: '', actor: 'test' };

  /** A transaction that has begun and does nothing yet. */
  async function begin() {
    const client = await inventory.pool.connect();
    onTestFinished(() => client.release());
    await client.query('BEGIN');
    await client.query('SELECT now()');
    return {
      book: async (sku: string, units: bigint) => {
        await ensureStock(client, [{ sku, locationId: 'alpha' }]);
        await lockStock(client, [sku]);
        await post(client, [{ sku, locationId: 'alpha', onHand: units }], occasion);
      },
      commit: () => client.query('COMMIT'),
    };
  }

  /** Waits until somebody waits for a lock. */
  async function somebodyWaits(): Promise<void> {
    for (;;) {
      const { rows } = await inventory.pool.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      if (rows.length > 0) {
        return;
      }
    }
  }

  test.each([[10], [0]])('and written, of %i units: the submission waits for it', async (units) => {
    const sku = await newItem(inventory);
    if (units > 0) {
      await addStock(inventory, sku, 'alpha', units);
    }
    const countId = await openCount(inventory, [sku]);
    const booking = await begin();
    await booking.book(sku, 5n);
    const countTime = timestampFromDate(await instant(inventory));
    const submission = submit(inventory, countId, [{ sku, countedQuantity: BigInt(units) + 5n, countTime }]);
    await somebodyWaits();
    await booking.commit();
    expect(shown((await submission).count?.lines)).toEqual([[sku, BigInt(units) + 5n, BigInt(units) + 5n, 0n]]);
    await approve(inventory, countId);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: BigInt(units) + 5n });
  });

  test('and not written before the submission: approval reckons anew', async () => {
    const sku = await newItem(inventory);
    await addStock(inventory, sku, 'alpha', 10);
    const countId = await openCount(inventory, [sku]);
    const booking = await begin();
    const countTime = timestampFromDate(await instant(inventory));
    // The three had been taken out as people counted, and it was being booked.
    const { count } = await submit(inventory, countId, [{ sku, countedQuantity: 7n, countTime }]);
    expect(shown(count?.lines)).toEqual([[sku, 10n, 7n, -3n]]);
    await booking.book(sku, -3n);
    await booking.commit();
    expect(shown((await approve(inventory, countId)).count?.lines)).toEqual([[sku, 7n, 7n, 0n]]);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 7n });
  });

  test('that crosses another never makes less than nothing expected', async () => {
    const sku = await newItem(inventory);
    const countId = await openCount(inventory, [sku]);
    const out = await begin();
    const countTime = timestampFromDate(await instant(inventory));
    await addStock(inventory, sku, 'alpha', 5);
    await out.book(sku, -5n);
    await out.commit();
    const { count } = await submit(inventory, countId, [{ sku, countedQuantity: 0n, countTime }]);
    expect(shown(count?.lines)).toEqual([[sku, 0n, 0n, 0n]]);
  });
});

describe('whatever moves', () => {
  const units = fc.integer({ min: -20, max: 20 }).filter((n) => n !== 0);
  const what = fc.constantFrom('plain', 'A', 'B');
  const movement = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('adjust' as const), what, units }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('damage' as const), what }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('sell' as const), what }) },
  );
  type Movement = typeof movement extends fc.Arbitrary<infer T> ? T : never;
  /** Movements at once, then a counting of one thing, which is submitted while later movements go on. */
  const step = fc.record({
    movements: fc.array(movement, { maxLength: 5 }),
    counted: fc.option(what, { nil: undefined }),
    after: fc.nat(2),
  });

  test('what was counted is what is there, once approved', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ plain: fc.integer({ min: -50, max: 50 }), A: fc.nat(50), B: fc.integer({ min: -50, max: 0 }) }),
        fc.array(step, { minLength: 1, maxLength: 6 }),
        async (unbooked, steps) => {
          const [plain, lots] = [await newItem(inventory), await newItem(inventory, { lotTracked: true })];
          await addStock(inventory, plain, 'alpha', 1_000);
          await addLot(inventory, lots, 'A', 1_000);
          await addLot(inventory, lots, 'B', 1_000);
          const place = (name: string) => (name === 'plain' ? { sku: plain, lotId: '' } : { sku: lots, lotId: name });
          // What lies there, which the books do not know.
          const there: Record<string, bigint> = {
            plain: 1_000n + BigInt(unbooked.plain),
            A: 1_000n + BigInt(unbooked.A),
            B: 1_000n + BigInt(unbooked.B),
          };
          const move = (name: string, delta: bigint) => {
            there[name] = (there[name] ?? 0n) + delta;
          };
          const countId = await openCount(inventory, [lots, plain]);

          async function carryOut(one: Movement): Promise<void> {
            const { sku, lotId } = place(one.what);
            switch (one.kind) {
              case 'adjust': {
                const book =
                  lotId === ''
                    ? addStock(inventory, sku, 'alpha', one.units)
                    : addLot(inventory, sku, lotId, one.units);
                await book;
                return move(one.what, BigInt(one.units));
              }
              case 'damage': {
                const states = { fromState: StockState.AVAILABLE, toState: StockState.DAMAGED };
                const request = { requestId: requestId(), sku, lotId, locationId: 'alpha', quantity: 1n, ...states };
                await inventory.stock.moveStock(request);
                return;
              }
              case 'sell': {
                const lines = [{ sku, quantity: 2n }];
                const request = { requestId: requestId(), lines, ttl: { seconds: 600n } };
                const { reservation } = await inventory.reservations.createReservation(request);
                const { reservationId = '' } = reservation ?? {};
                await inventory.reservations.confirmReservation({ requestId: requestId(), reservationId });
                await inventory.reservations.commitReservation({ requestId: requestId(), reservationId });
                for (const allocation of reservation?.allocations ?? []) {
                  move(allocation.lotId || 'plain', -allocation.quantity);
                }
              }
            }
          }

          /** Countings that wait to be submitted, by the step before which they are. */
          const waiting: { readonly at: number; readonly lines: Lines }[] = [];
          const submitDue = async (at: number) => {
            for (const { lines } of waiting.filter((one) => one.at === at)) {
              await submit(inventory, countId, lines);
            }
          };
          const counted = new Set<string>();
          for (const [index, { movements, counted: name, after }] of steps.entries()) {
            await Promise.all([...movements.map(carryOut), submitDue(index)]);
            if (name !== undefined && !counted.has(name)) {
              counted.add(name);
              const line = { ...place(name), countedQuantity: there[name] ?? 0n };
              if (after === 0) {
                await submit(inventory, countId, [line]);
              } else {
                const countTime = timestampFromDate(await instant(inventory));
                waiting.push({ at: index + after, lines: [{ ...line, countTime }] });
              }
            }
          }
          await submitDue(steps.length);
          await submitDue(steps.length + 1);
          if (counted.size === 0) {
            return;
          }
          await approve(inventory, countId);

          const level = await levelAt(inventory, lots, 'alpha');
          const onHand: Record<string, bigint | undefined> = {
            plain: (await levelAt(inventory, plain, 'alpha'))?.onHand,
            A: level?.lots.find(({ lotId }) => lotId === 'A')?.onHand,
            B: level?.lots.find(({ lotId }) => lotId === 'B')?.onHand,
          };
          for (const name of ['plain', 'A', 'B'] as const) {
            const unknown = counted.has(name) ? 0n : BigInt(unbooked[name]);
            expect(onHand[name], name).toBe((there[name] ?? 0n) - unknown);
          }
        },
      ),
      { numRuns: 25, endOnFailure: true },
    );
  }, 60_000);
});

test('many counters, approvers and sellers at once, in opposite orders, wait for one another and are answered', async () => {
  const skus = await Promise.all(Array.from({ length: 6 }, () => newItem(inventory)));
  await Promise.all(skus.map((sku) => addStock(inventory, sku, 'alpha', 1_000)));
  const ids = await Promise.all(Array.from({ length: 4 }, () => openCount(inventory, skus)));
  const lines = skus.map((sku) => ({ sku, countedQuantity: 1_000n }));
  const reserveAndRelease = async (order: readonly string[]) => {
    const { reservation } = await inventory.reservations.createReservation({
      requestId: requestId(),
      lines: order.map((sku) => ({ sku, quantity: 1n })),
      ttl: { seconds: 600n },
    });
    const { reservationId = '' } = reservation ?? {};
    await inventory.reservations.releaseReservation({ requestId: requestId(), reservationId });
  };
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, (_, round) => {
      const backwards = round % 2 === 1;
      const order = backwards ? skus.toReversed() : skus;
      return [
        ...ids.map((countId) => reasonFrom(submit(inventory, countId, backwards ? lines.toReversed() : lines))),
        ...(round % 3 === 2 ? ids.map((countId) => reasonFrom(approve(inventory, countId))) : []),
        ...order.map((sku) => reasonFrom(addStock(inventory, sku, 'alpha', backwards ? -3 : 5))),
        reasonFrom(reserveAndRelease(order)),
      ];
    }).flat(),
  );
  expect(new Set(outcomes).difference(new Set([undefined, 'COUNT_STATE']))).toEqual(new Set());
  for (const countId of ids) {
    await reasonFrom(approve(inventory, countId));
    expect((await inventory.counts.getCount({ countId })).count?.state).toBe(CountState.APPROVED);
  }
});

describe('what is promised', () => {
  /** Promises units of an item to somebody. */
  const reserve = (sku: string, quantity: bigint) =>
    inventory.reservations.createReservation({
      requestId: requestId(),
      lines: [{ sku, quantity }],
      ttl: { seconds: 600n },
    });

  test('and would no longer be there is named, the first line of all, and nothing is booked', async () => {
    const [fine, short, shorter] = [await newItem(inventory), await newItem(inventory), await newItem(inventory)];
    for (const sku of [fine, short, shorter]) {
      await addStock(inventory, sku, 'alpha', 10);
    }
    await reserve(short, 6n);
    await reserve(shorter, 9n);
    const countId = await openCount(inventory, [fine, short, shorter]);
    await submit(inventory, countId, [
      { sku: shorter, countedQuantity: 0n },
      { sku: short, countedQuantity: 5n },
      { sku: fine, countedQuantity: 1n },
    ]);
    const error = await failure(approve(inventory, countId));
    expect([reasonOf(error), metadataOf(error)]).toEqual([
      'INSUFFICIENT_STOCK',
      { sku: short, location_id: 'alpha', requested: '5', available: '4' },
    ]);
    for (const sku of [fine, short, shorter]) {
      expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 10n });
    }
    expect((await inventory.counts.getCount({ countId })).count?.state).toBe(SUBMITTED);

    // Counted again, it goes through.
    await submit(inventory, countId, [
      { sku: short, countedQuantity: 6n },
      { sku: shorter, countedQuantity: 9n },
    ]);
    await approve(inventory, countId);
    expect(await levelAt(inventory, short, 'alpha')).toMatchObject({ onHand: 6n, reserved: 6n, available: 0n });
    expect(await levelAt(inventory, fine, 'alpha')).toMatchObject({ onHand: 1n });
  });

  test('of a lot is kept too, and its name told; damaged units count as lying there', async () => {
    const sku = await newItem(inventory, { lotTracked: true });
    await addLot(inventory, sku, 'A', 10);
    await addLot(inventory, sku, 'B', 10);
    await inventory.stock.moveStock({
      requestId: requestId(),
      sku,
      locationId: 'alpha',
      lotId: 'B',
      fromState: StockState.AVAILABLE,
      toState: StockState.DAMAGED,
      quantity: 4n,
    });
    const countId = await openCount(inventory, [sku]);
    await submit(inventory, countId, [
      { sku, lotId: 'A', countedQuantity: 20n },
      { sku, lotId: 'B', countedQuantity: 3n },
    ]);
    const error = await failure(approve(inventory, countId));
    expect([reasonOf(error), metadataOf(error)]).toEqual([
      'INSUFFICIENT_STOCK',
      { sku, lot_id: 'B', location_id: 'alpha', requested: '7', available: '6' },
    ]);
    await submit(inventory, countId, [{ sku, lotId: 'B', countedQuantity: 4n }]);
    await approve(inventory, countId);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 24n, damaged: 4n, unavailable: 4n });
  });

  test('no longer, since the hold has run out, hinders nobody', async () => {
    const sku = await newItem(inventory);
    await addStock(inventory, sku, 'alpha', 10);
    const { reservation } = await reserve(sku, 10n);
    const countId = await openCount(inventory, [sku]);
    await submit(inventory, countId, [{ sku, countedQuantity: 2n }]);
    expect(await reasonFrom(approve(inventory, countId))).toBe('INSUFFICIENT_STOCK');
    await inventory.pool.query(
      "UPDATE reservations SET expire_time = now() - interval '1 s' WHERE reservation_id = $1",
      [reservation?.reservationId],
    );
    await approve(inventory, countId);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 2n, reserved: 0n });
  });

  test('on backorder is served from what is found', async () => {
    const sku = await newItem(inventory, { outOfStockPolicy: OutOfStockPolicy.BACKORDER, backorderLimit: 5n });
    await addStock(inventory, sku, 'alpha', 1);
    await reserve(sku, 3n);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ backordered: 2n });
    const countId = await openCount(inventory, [sku]);
    await submit(inventory, countId, [{ sku, countedQuantity: 4n }]);
    await approve(inventory, countId);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 4n, backordered: 0n, available: 1n });
  });

  test('more than may be on hand is refused', async () => {
    const sku = await newItem(inventory);
    const countId = await openCount(inventory, [sku]);
    await submit(inventory, countId, [{ sku, countedQuantity: 1n }]);
    await inventory.pool.query(
      `WITH l AS (UPDATE stock SET on_hand = 1000000000000 WHERE sku = $1)
       INSERT INTO ledger_entries (sku, location_id, on_hand_delta, on_hand_after, reason, source, actor)
       VALUES ($1, 'alpha', 1000000000000, 1000000000000, 8, '', '')`,
      [sku],
    );
    expect(await reasonFrom(approve(inventory, countId))).toBe('QUANTITY_OUT_OF_RANGE');
    await addStock(inventory, sku, 'alpha', -1);
    await approve(inventory, countId);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 1_000_000_000_000n });
  });
});

describe('an item that changed since', () => {
  test('and was deleted is counted and booked all the same', async () => {
    const [sku, other] = [await newItem(inventory), await newItem(inventory)];
    await addStock(inventory, sku, 'alpha', 5);
    const countId = await openCount(inventory, [sku, other]);
    await submit(inventory, countId, [{ sku, countedQuantity: 4n }]);
    await inventory.items.deleteItem({ requestId: requestId(), sku });
    await submit(inventory, countId, [{ sku, countedQuantity: 3n }]);
    await submit(inventory, countId, [{ sku: other, countedQuantity: 2n }]);
    await approve(inventory, countId);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 3n });
    expect(await levelAt(inventory, other, 'alpha')).toMatchObject({ onHand: 2n });
    expect(
      await reasonFrom(inventory.counts.createCount({ requestId: requestId(), locationId: 'alpha', skus: [sku] })),
    ).toBe('ITEM_NOT_FOUND');
  });

  test('and became a kit is counted no longer: its lines are dropped, the others booked', async () => {
    const [kit, component, other] = [await newItem(inventory), await newItem(inventory), await newItem(inventory)];
    const countId = await openCount(inventory, [kit, other]);
    const ofKit = await openCount(inventory, [kit]);
    await submit(inventory, ofKit, [{ sku: kit, countedQuantity: 4n }]);
    await submit(inventory, countId, [
      { sku: kit, countedQuantity: 4n },
      { sku: other, countedQuantity: 2n },
    ]);
    await inventory.items.updateItem({
      requestId: requestId(),
      item: { sku: kit, components: [{ sku: component, quantity: 2n }] },
      updateMask: { paths: ['components'] },
    });
    expect(await reasonFrom(submit(inventory, countId, [{ sku: kit, countedQuantity: 1n }]))).toBe('KIT_HAS_NO_STOCK');
    expect(shown((await approve(inventory, countId)).count?.lines)).toEqual([[other, 0n, 2n, 2n]]);
    expect((await approve(inventory, ofKit)).count).toMatchObject({ state: CountState.APPROVED, lines: [] });
    const { rows } = await inventory.pool.query('SELECT FROM stock WHERE sku = $1', [kit]);
    expect(rows).toHaveLength(0);
    expect(await levelAt(inventory, other, 'alpha')).toMatchObject({ onHand: 2n });
  });

  test.each([[true], [false]])('in being kept by lot or not (%s) loses the lines from before', async (before) => {
    const [sku, other] = [await newItem(inventory, { lotTracked: before }), await newItem(inventory)];
    await (before ? addLot(inventory, sku, 'A', 3) : addStock(inventory, sku, 'alpha', 3));
    await (before ? addLot(inventory, sku, 'A', -3) : addStock(inventory, sku, 'alpha', -3));
    const countId = await openCount(inventory, [sku, other]);
    await submit(inventory, countId, [
      { sku, countedQuantity: 4n, lotId: before ? 'A' : '' },
      { sku: other, countedQuantity: 2n },
    ]);
    await inventory.items.updateItem({
      requestId: requestId(),
      item: { sku, lotTracked: !before },
      updateMask: { paths: ['lot_tracked'] },
    });
    await (before ? addStock(inventory, sku, 'alpha', 7) : addLot(inventory, sku, 'A', 7));
    await submit(inventory, countId, [{ sku, countedQuantity: 8n, lotId: before ? '' : 'A' }]);
    const { count } = await approve(inventory, countId);
    expect(shown(count?.lines)).toEqual([
      [before ? sku : `${sku}/A`, 7n, 8n, 1n],
      [other, 0n, 2n, 2n],
    ]);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 8n });
  });
});
