/**
 * What a caller may do, done to the model and to the real thing; afterwards both must have had the same outcome and be in the same state.
 */

import { OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ReservationPolicy, ReservationState } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { reasonOf } from '@weft/runtime/errors/fail';
import fc from 'fast-check';
import type { Pool } from 'pg';
import { expect } from 'vitest';
import { requestId } from '../../../../dev/src/testing/calls.ts';
import { sweepExpired } from '../../src/reservations/sweep.ts';
import { addItem, addLocation, type Clients } from '../harness.ts';
import { Model, type ModelReservation, type Outcome } from './model.ts';

const PLACE = 'north';

/** The real thing: replicas on one database, of which each command meets another, with the items of `startModel`. */
export type World = { readonly replicas: readonly Clients[]; readonly pool: Pool };

/** What a command is done to: the replica whose turn it is, and the ids of what was reserved, in order. */
type Real = {
  readonly world: World;
  inventory: Clients & { readonly pool: Pool };
  readonly prefix: string;
  readonly reservationIds: string[];
};

type Command = fc.AsyncCommand<Model, Real>;

let worlds = 0;
const prepared = new WeakSet<World>();

/** A new world: items that nobody else touches, in the model and in the database. */
export async function startModel(world: World): Promise<{ model: Model; real: Real }> {
  const inventory = replicaOf(world, 0);
  worlds += 1;
  const prefix = `W${worlds}-`;
  const components = new Map([
    ['A', 1n],
    ['B', 2n],
  ]);
  if (!prepared.has(world)) {
    prepared.add(world);
    await addLocation(inventory, { locationId: PLACE });
  }
  await addItem(inventory, { sku: `${prefix}A` });
  await addItem(inventory, { sku: `${prefix}B`, outOfStockPolicy: OutOfStockPolicy.BACKORDER, backorderLimit: 4n });
  await addItem(inventory, {
    sku: `${prefix}KIT`,
    components: [...components].map(([sku, quantity]) => ({ sku: `${prefix}${sku}`, quantity })),
  });
  const model = new Model({ A: {}, B: { backorderLimit: 4n }, KIT: { components } });
  for (const [sku, units] of [
    ['A', 6n],
    ['B', 3n],
  ] as const) {
    model.adjust(sku, units);
    await inventory.stock.adjustStock({ ...at(prefix, sku), delta: units, reason: StockReason.RECEIVED });
  }
  return { model, real: { world, inventory, prefix, reservationIds: [] } };
}

/** One replica after the other. */
function replicaOf({ replicas, pool }: World, turn: number) {
  const replica = replicas[turn % replicas.length];
  if (replica === undefined) throw new Error('a world without a replica');
  return { ...replica, pool };
}

let turns = 0;

/** Makes a command of what it does to both; `needsReservation` says that it is about one that was made before. */
function command(
  name: string,
  model: (model: Model) => Outcome,
  real: (real: Real) => Promise<unknown>,
  check: (model: Readonly<Model>) => boolean = () => true,
): Command {
  return {
    check,
    toString: () => name,
    async run(modelled, actual) {
      const expected = model(modelled);
      turns += 1;
      actual.inventory = replicaOf(actual.world, turns);
      const outcome = await real(actual).then(
        () => undefined,
        (error: unknown) => reasonOf(error) ?? error,
      );
      expect(outcome, name).toEqual(expected);
      await compare(modelled, actual);
    },
  };
}

/** Commands about a reservation: the `target`-th from the last of those made so far, counted round. */
function about(
  name: string,
  target: number,
  model: (model: Model, reservation: ModelReservation) => Outcome,
  real: (real: Real, reservationId: string, index: number) => Promise<unknown>,
): Command {
  const indexIn = (length: number) => length - 1 - (target % length);
  return command(
    `${name}(${target})`,
    (modelled) => {
      const reservation = modelled.reservations[indexIn(modelled.reservations.length)];
      return reservation === undefined ? undefined : model(modelled, reservation);
    },
    async (actual) => {
      const index = indexIn(actual.reservationIds.length);
      await real(actual, actual.reservationIds[index] ?? '', index);
    },
    (modelled) => modelled.reservations.length > 0,
  );
}

const adjust = (sku: string, delta: bigint) =>
  command(
    `adjust(${sku}, ${delta})`,
    (model) => model.adjust(sku, delta),
    ({ inventory, prefix }) =>
      inventory.stock.adjustStock({
        ...at(prefix, sku),
        delta,
        reason: StockReason.CORRECTION,
      }),
  );

const expectUnits = (sku: string, units: bigint) =>
  command(
    `expect(${sku}, ${units})`,
    (model) => model.expect(sku, units),
    ({ inventory, prefix }) =>
      inventory.stock.adjustStock({
        ...at(prefix, sku),
        delta: units,
        reason: StockReason.ORDERED,
        state: StockState.INCOMING,
      }),
  );

const move = (
  name: 'damage' | 'repair' | 'receive',
  [fromState, toState]: readonly [StockState, StockState],
  sku: string,
  units: bigint,
) =>
  command(
    `${name}(${sku}, ${units})`,
    (model) => model[name](sku, units),
    ({ inventory, prefix }) => inventory.stock.moveStock({ ...at(prefix, sku), fromState, toState, quantity: units }),
  );

const setSafety = (sku: string, units: bigint) =>
  command(
    `setSafety(${sku}, ${units})`,
    (model) => model.setSafety(sku, units),
    ({ inventory, prefix }) => inventory.stock.setStock({ ...at(prefix, sku), safety: units }),
  );

const setOnHand = (sku: string, expected: bigint, units: bigint) =>
  command(
    `setOnHand(${sku}, ${expected} -> ${units})`,
    (model) => model.setOnHand(sku, expected, units),
    ({ inventory, prefix }) =>
      inventory.stock.setStock({
        ...at(prefix, sku),
        expectedOnHand: expected,
        onHand: units,
        reason: StockReason.CORRECTION,
      }),
  );

const reserve = (lines: readonly { sku: string; quantity: bigint }[]) =>
  command(
    `reserve(${lines.map(({ sku, quantity }) => `${quantity} ${sku}`).join(', ')})`,
    (model) => model.reserve(lines),
    async ({ inventory, prefix, reservationIds }) => {
      const { reservation } = await inventory.reservations.createReservation({
        requestId: requestId(),
        lines: lines.map(({ sku, quantity }) => ({ sku: `${prefix}${sku}`, quantity })),
        policy: ReservationPolicy.ALL_OR_NOTHING,
        ttl: { seconds: 3_600n },
      });
      reservationIds.push(reservation?.reservationId ?? '');
    },
  );

const confirm = (target: number) =>
  about(
    'confirm',
    target,
    (model, reservation) => model.confirm(reservation),
    ({ inventory }, reservationId) =>
      inventory.reservations.confirmReservation({ requestId: requestId(), reservationId }),
  );

const release = (target: number) =>
  about(
    'release',
    target,
    (model, reservation) => model.release(reservation),
    ({ inventory }, reservationId) =>
      inventory.reservations.releaseReservation({ requestId: requestId(), reservationId }),
  );

/** Time runs out, and the sweep comes by. */
const expire = (target: number) =>
  about(
    'expire',
    target,
    (model, reservation) => model.expire(reservation),
    async ({ inventory: { pool } }, reservationId) => {
      await pool.query('UPDATE reservations SET expire_time = now() WHERE reservation_id = $1 AND state = 1', [
        reservationId,
      ]);
      await sweepExpired(pool, new AbortController().signal);
    },
  );

const commit = (target: number, part: boolean) =>
  about(
    part ? 'commitPart' : 'commit',
    target,
    (model, reservation) => model.commit(reservation, part),
    async ({ inventory: { reservations } }, reservationId) => {
      const request = { requestId: requestId(), reservationId };
      if (!part) {
        await reservations.commitReservation(request);
        return;
      }
      const { reservation } = await reservations.getReservation({ reservationId });
      const lines = (reservation?.allocations ?? [])
        .filter(({ quantity, committedQuantity }) => quantity > committedQuantity)
        .map(({ sku, locationId }) => ({ sku, locationId, quantity: 1n }));
      await reservations.commitReservation({ ...request, lines });
    },
  );

function at(prefix: string, sku: string) {
  return { requestId: requestId(), sku: `${prefix}${sku}`, locationId: PLACE };
}

/** Every balance, every reservation and what anyone may see are what the model says. */
async function compare(model: Model, { inventory, prefix, reservationIds }: Real): Promise<void> {
  const skus = ['A', 'B'];
  const { stockLevels } = await inventory.stock.batchGetStockLevels({ skus: skus.map((sku) => `${prefix}${sku}`) });
  for (const sku of skus) {
    const { onHand, damaged, incoming, safety } = model.item(sku);
    const [reserved, backordered, available] = [model.reserved(sku), model.backordered(sku), model.available(sku)];
    const level = stockLevels.find((one) => one.sku === `${prefix}${sku}`);
    const zero = onHand + damaged + incoming + safety + reserved === 0n;
    if (level === undefined) {
      expect(zero, `${sku} has no level`).toBe(true);
    } else {
      expect(level).toMatchObject({ onHand, damaged, incoming, safety, reserved, backordered, available });
    }
  }
  const { availabilities } = await inventory.availability.batchGetAvailability({
    skus: [...model.items.keys()].map((sku) => `${prefix}${sku}`),
  });
  const kits = (units: (sku: string) => bigint) => least(units('A'), units('B') / 2n);
  expect(availabilities.map(({ sellableQuantity }) => BigInt(sellableQuantity))).toEqual([
    model.sellable('A'),
    model.sellable('B'),
    kits((sku) => model.sellable(sku)),
  ]);
  for (const [index, { state }] of model.reservations.entries()) {
    const { reservation } = await inventory.reservations.getReservation({ reservationId: reservationIds[index] ?? '' });
    expect(ReservationState[reservation?.state ?? 0], `reservation ${index}`).toBe(state);
  }
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

const stockedSku = fc.constantFrom('A', 'B');
const units = fc.bigInt(1n, 6n);
const target = fc.nat(4);
const { AVAILABLE, DAMAGED, INCOMING } = StockState;

/** All commands, those that make something happen more often. */
export const COMMANDS: fc.Arbitrary<Command>[] = [
  fc
    .tuple(
      stockedSku,
      fc.bigInt(-5n, 9n).filter((delta) => delta !== 0n),
    )
    .map(([sku, delta]) => adjust(sku, delta)),
  fc.tuple(stockedSku, units).map(([sku, count]) => expectUnits(sku, count)),
  fc.tuple(stockedSku, units).map(([sku, count]) => move('receive', [INCOMING, AVAILABLE], sku, count)),
  fc.tuple(stockedSku, units).map(([sku, count]) => move('damage', [AVAILABLE, DAMAGED], sku, count)),
  fc.tuple(stockedSku, units).map(([sku, count]) => move('repair', [DAMAGED, AVAILABLE], sku, count)),
  fc.tuple(stockedSku, fc.bigInt(0n, 3n)).map(([sku, count]) => setSafety(sku, count)),
  fc
    .tuple(stockedSku, fc.bigInt(0n, 12n), fc.bigInt(0n, 12n))
    .map(([sku, expected, count]) => setOnHand(sku, expected, count)),
  reservations(4n, 3),
  reservations(2n, 1),
  reservations(2n, 1),
  target.map(confirm),
  target.map(confirm),
  target.map(release),
  target.map(expire),
  target.map((index) => commit(index, false)),
  target.map((index) => commit(index, true)),
];

function reservations(mostUnits: bigint, mostLines: number): fc.Arbitrary<Command> {
  const line = fc.record({ sku: fc.constantFrom('A', 'B', 'KIT'), quantity: fc.bigInt(1n, mostUnits) });
  return fc.array(line, { minLength: 1, maxLength: mostLines }).map(reserve);
}
