/**
 * Writes reservations and takes their units off the stock, whose rows are locked, in one statement.
 */

import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { reservationChange, stockChange } from '../changes.ts';
import { wholeMs } from '../duration.ts';
import { levelKey, levelOf, STOCK_COLUMNS, type StockRow } from '../stock/level.ts';
import type { ReservationCall } from './call.ts';
import type { StockPlan } from './plan.ts';

/** A reservation to be written. */
export type NewReservation = {
  readonly call: ReservationCall;
  readonly plan: StockPlan;
  readonly reservationId: string;
};

/** Writes reservations whose plans were made under the locks of their stock rows. */
export async function book(tx: Sql, reservations: readonly NewReservation[]): Promise<void> {
  if (reservations.length === 0) {
    return;
  }
  const allocations = reservations.flatMap(({ reservationId, plan }) =>
    plan.allocations.map((allocation) => ({ reservationId, ...allocation })),
  );
  const shortages = reservations.flatMap(({ reservationId, plan }) =>
    plan.shortages.map((shortage) => ({ reservationId, ...shortage })),
  );
  const { rows } = await tx.query<StockRow>({
    name: 'reservation_book',
    text: `
      WITH reservation AS (
        INSERT INTO reservations (reservation_id, state, expire_time, reference)
        SELECT id, 1, now() + ttl_ms * interval '1 millisecond', reference
        FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS r(id, ttl_ms, reference)
      ), allocation AS (
        INSERT INTO allocations (reservation_id, sku, location_id, lot_id, quantity, backordered_quantity)
        SELECT * FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[])
      ), shortage AS (
        INSERT INTO shortages (reservation_id, sku, requested_quantity, available_quantity)
        SELECT * FROM unnest($10::uuid[], $11::text[], $12::bigint[], $13::bigint[])
      ), taken AS MATERIALIZED (
        SELECT * FROM unnest($5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[])
          AS a(sku, location_id, lot_id, quantity, backordered)
      ), taken_of_lots AS (
        UPDATE lot_stock x SET reserved = x.reserved + t.quantity
        FROM (SELECT sku, location_id, lot_id, sum(quantity)::bigint AS quantity
          FROM taken WHERE lot_id <> '' GROUP BY sku, location_id, lot_id) t
        WHERE x.sku = t.sku AND x.location_id = t.location_id AND x.lot_id = t.lot_id
      )
      UPDATE stock s SET reserved = s.reserved + t.quantity, backordered = s.backordered + t.backordered, update_time = now()
      FROM (SELECT sku, location_id, sum(quantity)::bigint AS quantity, sum(backordered)::bigint AS backordered
        FROM taken GROUP BY sku, location_id) t
      WHERE s.sku = t.sku AND s.location_id = t.location_id
      RETURNING ${STOCK_COLUMNS}`,
    values: [
      reservations.map(({ reservationId }) => reservationId),
      reservations.map(({ call }) => wholeMs(call.request.ttl)),
      reservations.map(({ call }) => call.request.reference),
      allocations.map(({ reservationId }) => reservationId),
      allocations.map(({ sku }) => sku),
      allocations.map(({ locationId }) => locationId),
      allocations.map(({ lotId }) => lotId),
      allocations.map(({ quantity }) => quantity),
      allocations.map(({ backordered }) => backordered),
      shortages.map(({ reservationId }) => reservationId),
      shortages.map(({ sku }) => sku),
      shortages.map(({ requested }) => requested),
      shortages.map(({ available }) => available),
    ],
  });
  const planned = new Set(allocations.map(levelKey));
  if (rows.length !== planned.size) {
    throw new Error(`${planned.size} levels were to be taken from, and ${rows.length} are there`);
  }
  await append(tx, [
    ...rows.map(levelOf).map(stockChange),
    ...reservations.map(({ reservationId }) => reservationChange(reservationId)),
  ]);
}
