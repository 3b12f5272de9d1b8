/**
 * What becomes of a reservation: extended, confirmed, released. Each is one guarded UPDATE on the reservation's row,
 * so that of two that race, one finds the state it needs and the other does not.
 */

import { type Reservation, ReservationState } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { reservationChange } from '../changes.ts';
import { giveBack, lockStock } from '../stock/lock.ts';
import { readReservation } from './reservation.ts';

/**
 * Gives a held reservation more time, counted from now; never less than it has.
 *
 * @throws RESERVATION_NOT_FOUND, RESERVATION_EXPIRED, RESERVATION_STATE
 */
export async function extend(tx: Sql, reservationId: string, ttlMs: number): Promise<Reservation> {
  const moved = await move(tx, {
    name: 'reservation_extend',
    text: `
      UPDATE reservations
      SET expire_time = greatest(expire_time, now() + $2::bigint * interval '1 millisecond'), update_time = now()
      WHERE reservation_id = $1 AND state = 1 AND expire_time > now()
      RETURNING reservation_id`,
    values: [reservationId, ttlMs],
  });
  const reservation = await readReservation(tx, reservationId);
  if (!moved) {
    throw refusal(reservation, 'extended');
  }
  return reservation;
}

/**
 * Makes a held reservation one that does not expire; a confirmed one stays as it is.
 *
 * @throws RESERVATION_NOT_FOUND, RESERVATION_EXPIRED, RESERVATION_STATE
 */
export async function confirm(tx: Sql, reservationId: string): Promise<Reservation> {
  const moved = await move(tx, {
    name: 'reservation_confirm',
    text: `
      UPDATE reservations SET state = 2, update_time = now()
      WHERE reservation_id = $1 AND state = 1 AND expire_time > now()
      RETURNING reservation_id`,
    values: [reservationId],
  });
  const reservation = await readReservation(tx, reservationId);
  if (!moved && reservation.state !== ReservationState.CONFIRMED) {
    throw refusal(reservation, 'confirmed');
  }
  return reservation;
}

/**
 * Gives the stock of a held or confirmed reservation back, once; a released or expired one stays as it is.
 *
 * @throws RESERVATION_NOT_FOUND, RESERVATION_STATE
 */
export async function release(tx: Sql, reservationId: string): Promise<Reservation> {
  await lockStockOf(tx, reservationId);
  const moved = await move(tx, {
    name: 'reservation_release',
    text: `
      UPDATE reservations SET state = 4, update_time = now()
      WHERE reservation_id = $1 AND state IN (1, 2)
      RETURNING reservation_id`,
    values: [reservationId],
  });
  if (moved) {
    await giveBack(tx, [reservationId]);
  }
  const reservation = await readReservation(tx, reservationId);
  if (reservation.state === ReservationState.COMMITTED) {
    throw refusal(reservation, 'released');
  }
  return reservation;
}

/** Locks, in order, the stock that a reservation holds. What it holds never changes, so it may be read beforehand. */
export async function lockStockOf(tx: Sql, reservationId: string): Promise<void> {
  const { rows } = await tx.query<{ sku: string }>({
    name: 'allocation_skus',
    text: 'SELECT DISTINCT sku FROM allocations WHERE reservation_id = $1',
    values: [reservationId],
  });
  const skus = rows.map((row) => row.sku);
  await lockStock(tx, skus);
}

/** Runs a guarded UPDATE of one reservation; says whether it found the state it needs. */
export async function move(
  tx: Sql,
  statement: { name: string; text: string; values: [reservationId: string, ...unknown[]] },
): Promise<boolean> {
  const { rowCount } = await tx.query(statement);
  if (rowCount === 0) {
    return false;
  }
  await append(tx, [reservationChange(statement.values[0])]);
  return true;
}

/** The error for a reservation that is in the wrong state for a wish. */
export function refusal({ reservationId, state }: Reservation, wish: string) {
  const name = ReservationState[state];
  const metadata = { reservation_id: reservationId, state: name };
  return state === ReservationState.EXPIRED && wish !== 'committed'
    ? fail('RESERVATION_EXPIRED', 'the reservation has expired; its stock is free for others', metadata)
    : fail('RESERVATION_STATE', `the reservation is ${name} and cannot be ${wish}`, metadata);
}
