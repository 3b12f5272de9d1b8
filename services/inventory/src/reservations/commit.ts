/**
 * Books the goods of a confirmed reservation out as they leave: all that remain of it, or a part.
 */

import {
  type CommitLine,
  type CommitReservationRequest,
  type Reservation,
  ReservationState,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { reservationChange } from '../changes.ts';
import { post } from '../stock/ledger.ts';
import { readReservation } from './reservation.ts';
import { lockStockOf, refusal } from './transitions.ts';

/** What a reservation still holds of one item, or one lot of it, at one location. */
type Held = {
  readonly sku: string;
  readonly location_id: string;
  readonly lot_id: string;
  /** Units that have not left. */
  readonly remaining: bigint;
  readonly backordered: bigint;
  readonly unreleased: boolean;
  readonly lot_expired: boolean;
};

/** Units that leave. */
type Leaving = { readonly held: Held; readonly quantity: bigint };

/**
 * Books goods out. The reservation is COMMITTED once all have left.
 *
 * @throws RESERVATION_NOT_FOUND, RESERVATION_STATE, COMMIT_EXCEEDS_RESERVATION, BACKORDER_PENDING, ITEM_NOT_RELEASED, LOT_EXPIRED
 */
export async function commit(
  tx: Sql,
  { reservationId, lines }: CommitReservationRequest,
  actor: string,
): Promise<Reservation> {
  await lockStockOf(tx, reservationId);
  // Its stock rows are locked, so its row may be: of two that race, one finds it confirmed and the other does not.
  const { rowCount } = await tx.query({
    name: 'reservation_lock',
    text: 'SELECT FROM reservations WHERE reservation_id = $1 AND state = 2 FOR UPDATE',
    values: [reservationId],
  });
  if (rowCount === 0) {
    throw refusal(await readReservation(tx, reservationId), 'committed');
  }
  const held = await readHeld(tx, reservationId);
  const leaving =
    lines.length === 0 ? held.map((one) => ({ held: one, quantity: one.remaining })) : chosen(held, lines);
  for (const one of leaving) {
    checkLeaving(one);
  }
  await tx.query({
    name: 'allocations_commit',
    text: `
      UPDATE allocations a SET committed_quantity = a.committed_quantity + l.quantity
      FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS l(sku, location_id, lot_id, quantity)
      WHERE a.reservation_id = $1 AND a.sku = l.sku AND a.location_id = l.location_id AND a.lot_id = l.lot_id`,
    values: [
      reservationId,
      leaving.map((one) => one.held.sku),
      leaving.map((one) => one.held.location_id),
      leaving.map((one) => one.held.lot_id),
      leaving.map((one) => one.quantity),
    ],
  });
  const postings = leaving.map(({ held: { sku, location_id: locationId, lot_id: lotId }, quantity }) => ({
    sku,
    locationId,
    lotId,
    onHand: -quantity,
    reserved: -quantity,
  }));
  await post(tx, postings, { reason: StockReason.SHIPPED, source: reservationId, actor });
  const leavingUnits = leaving.reduce((sum, { quantity }) => sum + quantity, 0n);
  const heldUnits = held.reduce((sum, { remaining }) => sum + remaining, 0n);
  await tx.query({
    name: 'reservation_commit',
    text: 'UPDATE reservations SET state = $2, update_time = now() WHERE reservation_id = $1',
    values: [reservationId, leavingUnits === heldUnits ? ReservationState.COMMITTED : ReservationState.CONFIRMED],
  });
  await append(tx, [reservationChange(reservationId)]);
  return await readReservation(tx, reservationId);
}

async function readHeld(tx: Sql, reservationId: string): Promise<Held[]> {
  const { rows } = await tx.query<Held>({
    name: 'allocations_held',
    text: `
      SELECT a.sku, a.location_id, a.lot_id, a.quantity - a.committed_quantity AS remaining,
        a.backordered_quantity AS backordered,
        i.out_of_stock_policy = 3 AND i.release_time > now() AS unreleased,
        coalesce(l.expire_time <= now(), false) AS lot_expired
      FROM allocations a
      JOIN items i ON i.sku = a.sku
      LEFT JOIN lots l ON l.sku = a.sku AND l.lot_id = a.lot_id
      WHERE a.reservation_id = $1 AND a.quantity > a.committed_quantity
      ORDER BY a.sku, a.location_id, a.lot_id`,
    values: [reservationId],
  });
  return rows;
}

/** What the lines name of what is held, lines about the same added up. @throws COMMIT_EXCEEDS_RESERVATION */
function chosen(held: readonly Held[], lines: readonly CommitLine[]): Leaving[] {
  const named = new Map<string, bigint>();
  for (const { sku, locationId, lotId, quantity } of lines) {
    const key = `${sku} ${locationId} ${lotId}`;
    named.set(key, (named.get(key) ?? 0n) + quantity);
  }
  const leaving: Leaving[] = [];
  for (const [key, quantity] of named) {
    const one = held.find(({ sku, location_id, lot_id }) => key === `${sku} ${location_id} ${lot_id}`);
    const remaining = one?.remaining ?? 0n;
    if (one === undefined || quantity > remaining) {
      const [sku = '', locationId = '', lotId = ''] = key.split(' ');
      const of = lotId === '' ? sku : `lot ${lotId} of ${sku}`;
      throw fail(
        'COMMIT_EXCEEDS_RESERVATION',
        `${quantity} units of ${of} at ${locationId} are named, and ${remaining} remain`,
        {
          sku,
          location_id: locationId,
          ...(lotId === '' ? {} : { lot_id: lotId }),
          requested: `${quantity}`,
          remaining: `${remaining}`,
        },
      );
    }
    leaving.push({ held: one, quantity });
  }
  return leaving;
}

/** @throws BACKORDER_PENDING, ITEM_NOT_RELEASED, LOT_EXPIRED unless these units may leave. */
function checkLeaving({ held, quantity }: Leaving): void {
  const { sku, location_id: locationId, lot_id: lotId, remaining, backordered } = held;
  if (held.unreleased) {
    throw fail('ITEM_NOT_RELEASED', `${sku} is not out yet`, { sku });
  }
  if (held.lot_expired) {
    throw fail('LOT_EXPIRED', `lot ${lotId} of ${sku} at ${locationId} has expired`, {
      sku,
      location_id: locationId,
      lot_id: lotId,
    });
  }
  if (quantity > remaining - backordered) {
    const text = `${quantity} units of ${sku} are to leave ${locationId}, and ${backordered} of the ${remaining} have not come in`;
    throw fail('BACKORDER_PENDING', text, { sku, location_id: locationId, backordered: `${backordered}` });
  }
}
