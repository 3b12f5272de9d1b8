/**
 * CreateReservation as others do it, on the same tables and with the same promises: the idempotency key with its hash and answer, the
 * reservation, its allocations and the outbox are written with the effect, watchers are woken, and nothing is sold twice. They plan for the one location of the
 * benchmark and know of nothing else; what they leave out makes them faster, not slower.
 */

import { randomUUIDv7 } from 'node:crypto';
import {
  type CreateReservationRequest,
  CreateReservationRequestSchema,
  type CreateReservationResponse,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { wake } from '@weft/runtime/data/changes';
import { requestHash } from '@weft/runtime/data/idempotency';
import { query, transaction } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { principal } from '@weft/runtime/server/caller';
import type { Pool } from 'pg';
import { wholeMs } from '../src/duration.ts';
import { RPC } from '../src/reservations/call.ts';
import { heldAnswer, keptBytes, withInstants } from '../src/reservations/held.ts';

type Handler = (request: CreateReservationRequest) => Promise<CreateReservationResponse>;

const LOCATION = 'a';

/** What both prepare in the same way: lines by SKU, and the answer that is stored. */
function prepare(request: CreateReservationRequest) {
  const units = new Map<string, bigint>();
  for (const { sku, quantity } of request.lines) {
    units.set(sku, (units.get(sku) ?? 0n) + quantity);
  }
  const lines = [...units].sort(([a], [b]) => (a < b ? -1 : 1));
  const reservationId = randomUUIDv7();
  const allocations = lines.map(([sku, quantity]) => ({
    sku,
    locationId: LOCATION,
    lotId: '',
    quantity,
    backordered: 0n,
  }));
  const answer = heldAnswer(reservationId, request, { allocations, shortages: [] });
  return {
    skus: lines.map(([sku]) => sku),
    quantities: lines.map(([, quantity]) => quantity),
    reservationId,
    answer,
    hash: requestHash(CreateReservationRequestSchema, request),
  };
}

/** One guarded statement for each call: it books only if every line found its units. */
export function reserveInOneStatement(pool: Pool): Handler {
  return async (request) => {
    const { skus, quantities, reservationId, answer, hash } = prepare(request);
    const rows = await query<{ now: Date; booked: bigint }>(pool, {
      name: 'bench_single',
      text: `
        WITH line AS (
          SELECT * FROM unnest($6::text[], $7::bigint[]) AS l(sku, quantity)
        ), locked AS MATERIALIZED (
          SELECT s.sku, line.quantity, s.on_hand - s.reserved - s.unavailable - s.safety >= line.quantity AS fits
          FROM line JOIN stock s ON s.sku = line.sku AND s.location_id = $8
          ORDER BY s.sku FOR NO KEY UPDATE OF s
        ), whole AS (
          SELECT count(*) = cardinality($6::text[]) AND bool_and(locked.fits) AS fits FROM locked
        ), claimed AS (
          INSERT INTO idempotency_keys (rpc, principal, request_id, request_hash, response)
          SELECT $1, $2, $3::uuid, $4, $5 FROM whole WHERE fits
        ), taken AS (
          UPDATE stock s SET reserved = s.reserved + locked.quantity, update_time = now()
          FROM locked, whole WHERE whole.fits AND s.sku = locked.sku AND s.location_id = $8
          RETURNING s.sku
        ), reservation AS (
          INSERT INTO reservations (reservation_id, state, expire_time, reference)
          SELECT $9::uuid, 1, now() + $10::bigint * interval '1 millisecond', $11 FROM whole WHERE fits
        ), allocated AS (
          INSERT INTO allocations (reservation_id, sku, location_id, quantity)
          SELECT $9::uuid, sku, $8, quantity FROM locked, whole WHERE whole.fits
        ), told AS (
          INSERT INTO changes (topic, key, payload)
          SELECT 'stock', sku || ' ' || $8, ''::bytea FROM taken
          UNION ALL SELECT 'reservations', $9::uuid::text, ''::bytea FROM whole WHERE fits
        )
        SELECT now()::timestamptz(3) AS now, (SELECT count(*) FROM taken) AS booked`,
      values: [
        RPC,
        principal(),
        request.requestId,
        hash,
        keptBytes(answer),
        skus,
        quantities,
        LOCATION,
        reservationId,
        wholeMs(request.ttl),
        request.reference,
      ],
    });
    wake(pool);
    const [row] = rows;
    if (row === undefined || row.booked < BigInt(skus.length)) {
      throw fail('INSUFFICIENT_STOCK');
    }
    return withInstants(answer, request, row.now);
  };
}

/** A transaction for each call, with the check in the application between SELECT FOR UPDATE and UPDATE. */
export function reserveForUpdate(pool: Pool): Handler {
  return async (request) => {
    const { skus, quantities, reservationId, answer, hash } = prepare(request);
    const answered = await transaction(pool, async (tx) => {
      await tx.query({
        name: 'bench_claim',
        text: 'INSERT INTO idempotency_keys (rpc, principal, request_id, request_hash) VALUES ($1, $2, $3, $4)',
        values: [RPC, principal(), request.requestId, hash],
      });
      const { rows } = await tx.query<{ sku: string; available: bigint; now: Date }>({
        name: 'bench_lock',
        text: `
          SELECT sku, on_hand - reserved - unavailable - safety AS available, now()::timestamptz(3) AS now
          FROM stock WHERE sku = ANY($1::text[]) AND location_id = $2 ORDER BY sku FOR UPDATE`,
        values: [skus, LOCATION],
      });
      const [first] = rows;
      if (first === undefined || rows.some(({ available }, index) => available < (quantities[index] ?? 0n))) {
        throw fail('INSUFFICIENT_STOCK');
      }
      await tx.query({
        name: 'bench_reservation',
        text: `
          INSERT INTO reservations (reservation_id, state, expire_time, reference)
          VALUES ($1, 1, now() + $2::bigint * interval '1 millisecond', $3)`,
        values: [reservationId, wholeMs(request.ttl), request.reference],
      });
      for (const [index, sku] of skus.entries()) {
        await tx.query({
          name: 'bench_take',
          text: 'UPDATE stock SET reserved = reserved + $3, update_time = now() WHERE sku = $1 AND location_id = $2',
          values: [sku, LOCATION, quantities[index]],
        });
        await tx.query({
          name: 'bench_allocate',
          text: 'INSERT INTO allocations (reservation_id, sku, location_id, quantity) VALUES ($1, $2, $3, $4)',
          values: [reservationId, sku, LOCATION, quantities[index]],
        });
      }
      await tx.query({
        name: 'bench_tell',
        text: `
          INSERT INTO changes (topic, key, payload)
          SELECT 'stock', sku || ' ' || $2, ''::bytea FROM unnest($1::text[]) AS l(sku)
          UNION ALL SELECT 'reservations', $3, ''::bytea`,
        values: [skus, LOCATION, reservationId],
      });
      await tx.query({
        name: 'bench_answer',
        text: 'UPDATE idempotency_keys SET response = $4 WHERE rpc = $1 AND principal = $2 AND request_id = $3',
        values: [RPC, principal(), request.requestId, keptBytes(answer)],
      });
      return withInstants(answer, request, first.now);
    });
    wake(pool);
    return answered;
  };
}
