/**
 * Sets stock aside for many callers in one transaction. The stock rows of all of them are locked in one order, the callers are
 * answered one after the other from what is left, and one statement books what was given: on one hot SKU a lock is taken once
 * for a batch and not once for a caller.
 */

import { create } from '@bufbuild/protobuf';
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ConnectError } from '@connectrpc/connect';
import {
  type CreateReservationRequest,
  type Reservation,
  ReservationPolicy,
  ReservationSchema,
  ReservationState,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { fail, reasonOf } from '@weft/runtime/errors/fail';
import { reservationChange, stockChange } from '../changes.ts';
import { wholeMs } from '../duration.ts';
import { levelOf, STOCK_COLUMNS, type StockRow } from '../stock/level.ts';
import { lockStock } from '../stock/lock.ts';
import { planMessages } from './reservation.ts';
import type { Plan, Shortage } from './sourcing.ts';
import { type Market, planDemand, readMarket, skusOf, takeOff } from './supply.ts';

/** What a caller gets: a reservation, or the error that says why not. */
export type Outcome = Reservation | ConnectError;

/** Most shortages that an error's text names; the metadata has the first. */
const SHORTAGES_NAMED = 3;

/**
 * Answers each request, in their order. A request that gets an error leaves no trace in the transaction.
 *
 * @throws whatever the database throws, for the whole batch: then nothing was set aside for anyone.
 */
export async function reserve(tx: Sql, requests: readonly CreateReservationRequest[]): Promise<Outcome[]> {
  const skus = skusOf(requests);
  const levels = await lockStock(tx, skus);
  const market = await readMarket(tx, skus, levels);
  const stamps = await readStamps(tx, requests);
  const outcomes = requests.map((request, index) => answer(request, market, stamps[index]));
  await book(
    tx,
    outcomes.flatMap((outcome) => (outcome instanceof ConnectError ? [] : [outcome])),
  );
  return outcomes;
}

/** The database gives the ids and tells the time. */
type Stamp = { readonly id: string; readonly now: Date; readonly expire: Date };

async function readStamps(tx: Sql, requests: readonly CreateReservationRequest[]): Promise<Stamp[]> {
  const { rows } = await tx.query<Stamp>({
    name: 'reservation_stamps',
    text: `
      SELECT uuidv7() AS id, now()::timestamptz(3) AS now,
        (now() + ttl_ms * interval '1 millisecond')::timestamptz(3) AS expire
      FROM unnest($1::bigint[]) WITH ORDINALITY AS r(ttl_ms, position)
      ORDER BY position`,
    values: [requests.map(({ ttl }) => wholeMs(ttl))],
  });
  return rows;
}

function answer(request: CreateReservationRequest, market: Market, stamp: Stamp | undefined): Outcome {
  try {
    const plan = planDemand(request, market);
    checkPlan(plan, request.policy);
    takeOff(market, plan);
    return create(ReservationSchema, {
      reservationId: stamp?.id ?? '',
      state: ReservationState.HELD,
      ...planMessages(plan),
      reference: request.reference,
      ...(stamp === undefined
        ? {}
        : {
            expireTime: timestampFromDate(stamp.expire),
            createTime: timestampFromDate(stamp.now),
            updateTime: timestampFromDate(stamp.now),
          }),
    });
  } catch (error) {
    if (error instanceof ConnectError && reasonOf(error) !== undefined) {
      return error;
    }
    throw error;
  }
}

/** @throws INSUFFICIENT_STOCK */
function checkPlan({ allocations, shortages }: Plan, policy: ReservationPolicy): void {
  const [first] = shortages;
  if (first === undefined || (policy === ReservationPolicy.PARTIAL && allocations.length > 0)) {
    return;
  }
  const named = shortages.slice(0, SHORTAGES_NAMED).map(describe).join('; ');
  const more = shortages.length > SHORTAGES_NAMED ? `; and ${shortages.length - SHORTAGES_NAMED} more` : '';
  throw fail('INSUFFICIENT_STOCK', `${named}${more}`, {
    sku: first.sku,
    requested: `${first.requested}`,
    available: `${first.available}`,
  });
}

function describe({ sku, requested, available }: Shortage): string {
  return `${sku}: ${requested} asked for, ${available} available`;
}

/** Writes reservations and takes their units off the stock, in one statement. */
async function book(tx: Sql, reservations: readonly Reservation[]): Promise<void> {
  if (reservations.length === 0) {
    return;
  }
  const allocations = reservations.flatMap((reservation) =>
    reservation.allocations.map((allocation) => ({ id: reservation.reservationId, ...allocation })),
  );
  const shortages = reservations.flatMap((reservation) =>
    reservation.shortages.map((shortage) => ({ id: reservation.reservationId, ...shortage })),
  );
  const { rows } = await tx.query<StockRow>({
    name: 'reservation_book',
    text: `
      WITH reservation AS (
        INSERT INTO reservations (reservation_id, state, expire_time, reference)
        SELECT id, 1, expire_time, reference
        FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS r(id, expire_time, reference)
      ), allocation AS (
        INSERT INTO allocations (reservation_id, sku, location_id, quantity)
        SELECT * FROM unnest($4::uuid[], $5::text[], $6::text[], $7::bigint[])
      ), shortage AS (
        INSERT INTO shortages (reservation_id, sku, requested_quantity, available_quantity)
        SELECT * FROM unnest($8::uuid[], $9::text[], $10::bigint[], $11::bigint[])
      ), taken AS (
        SELECT sku, location_id, sum(quantity)::bigint AS quantity
        FROM unnest($5::text[], $6::text[], $7::bigint[]) AS a(sku, location_id, quantity)
        GROUP BY sku, location_id
      )
      UPDATE stock s SET reserved = s.reserved + taken.quantity, update_time = now()
      FROM taken WHERE s.sku = taken.sku AND s.location_id = taken.location_id
      RETURNING ${STOCK_COLUMNS}`,
    values: [
      reservations.map(({ reservationId }) => reservationId),
      reservations.map(({ expireTime }) => (expireTime === undefined ? null : timestampDate(expireTime))),
      reservations.map(({ reference }) => reference),
      allocations.map(({ id }) => id),
      allocations.map(({ sku }) => sku),
      allocations.map(({ locationId }) => locationId),
      allocations.map(({ quantity }) => quantity),
      shortages.map(({ id }) => id),
      shortages.map(({ sku }) => sku),
      shortages.map(({ requestedQuantity }) => requestedQuantity),
      shortages.map(({ availableQuantity }) => availableQuantity),
    ],
  });
  await append(tx, [
    ...rows.map(levelOf).map(stockChange),
    ...reservations.map(({ reservationId }) => reservationChange(reservationId)),
  ]);
}
