/**
 * Reservations as rows of the database and as messages of the contract, and how they are read.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type Reservation,
  ReservationSchema,
  ReservationState,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import type { StockPlan } from './plan.ts';

/** Quantities come as text inside JSON, whose numbers cannot hold them. */
type ReservationRow = {
  readonly reservation_id: string;
  readonly state: ReservationState;
  readonly expire_time: Date;
  readonly reference: string;
  readonly create_time: Date;
  readonly update_time: Date;
  readonly allocations: readonly [
    sku: string,
    locationId: string,
    lotId: string,
    quantity: string,
    backordered: string,
    committed: string,
  ][];
  readonly shortages: readonly [sku: string, requested: string, available: string][];
};

/** A hold that ran out is EXPIRED, whether or not anyone has tidied it: the database's clock decides. */
const STATE_NOW = 'CASE WHEN r.state = 1 AND r.expire_time <= now() THEN 5 ELSE r.state END';

/** Reads reservations, given what follows FROM. */
export function selectReservations(rest: string): string {
  return `
    SELECT r.reservation_id, ${STATE_NOW} AS state, r.expire_time, r.reference, r.create_time, r.update_time,
      coalesce((SELECT json_agg(json_build_array(a.sku, a.location_id, a.lot_id, a.quantity::text, a.backordered_quantity::text,
          a.committed_quantity::text) ORDER BY a.sku, a.location_id, a.lot_id)
        FROM allocations a WHERE a.reservation_id = r.reservation_id), '[]') AS allocations,
      coalesce((SELECT json_agg(json_build_array(s.sku, s.requested_quantity::text, s.available_quantity::text) ORDER BY s.sku)
        FROM shortages s WHERE s.reservation_id = r.reservation_id), '[]') AS shortages
    FROM reservations r
    ${rest}`;
}

/** A condition for reservations in a state, as of now. `parameter` is the placeholder of the state's number. */
export function inState(state: ReservationState, parameter: string): string {
  return state === ReservationState.EXPIRED || state === ReservationState.HELD
    ? `r.state IN (1, ${parameter}) AND ${STATE_NOW} = ${parameter}`
    : `r.state = ${parameter}`;
}

/** Reads reservations with a statement made by `selectReservations`. */
export async function readReservations(
  db: Sql,
  statement: { name?: string; text: string; values: unknown[] },
): Promise<Reservation[]> {
  const { rows } = await db.query<ReservationRow>(statement);
  return rows.map(reservationOf);
}

/**
 * Reads one reservation.
 *
 * @throws RESERVATION_NOT_FOUND
 */
export async function readReservation(db: Sql, reservationId: string): Promise<Reservation> {
  const [reservation] = await readReservations(db, {
    name: 'reservation_read',
    text: selectReservations('WHERE r.reservation_id = $1'),
    values: [reservationId],
  });
  if (reservation === undefined) {
    throw fail('RESERVATION_NOT_FOUND', undefined, { reservation_id: reservationId });
  }
  return reservation;
}

function reservationOf(row: ReservationRow): Reservation {
  return create(ReservationSchema, {
    reservationId: row.reservation_id,
    state: row.state,
    allocations: row.allocations.map(([sku, locationId, lotId, quantity, backordered, committed]) => ({
      sku,
      locationId,
      lotId,
      quantity: BigInt(quantity),
      backorderedQuantity: BigInt(backordered),
      committedQuantity: BigInt(committed),
    })),
    shortages: row.shortages.map(([sku, requested, available]) => ({
      sku,
      requestedQuantity: BigInt(requested),
      availableQuantity: BigInt(available),
    })),
    reference: row.reference,
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
    ...(row.state === ReservationState.HELD ? { expireTime: timestampFromDate(row.expire_time) } : {}),
  });
}

/** What a plan allocates and lacks, as the contract's messages have it. */
export function planMessages({ allocations, shortages }: StockPlan) {
  return {
    allocations: allocations.map(({ backordered, ...allocation }) => ({
      ...allocation,
      backorderedQuantity: backordered,
    })),
    shortages: shortages.map(({ sku, requested, available }) => ({
      sku,
      requestedQuantity: requested,
      availableQuantity: available,
    })),
  };
}
