/**
 * The sagas' rows: how one is begun, taken over, moved on and ended. Every change names the fencing token and the step that it
 * starts from, and does nothing when either is no longer so.
 */

import { create, toBinary } from '@bufbuild/protobuf';
import {
  CancelShipmentResponseSchema,
  PlaceShipmentResponseSchema,
  type Shipment,
  ShipmentState,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { query, type Sql, transaction } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { recordChange, SHIPMENT_SELECTION, type ShipmentRow, shipmentOf } from '../shipment.ts';
import type { Failure, Saga, SagaKind } from './saga.ts';
import type { Next } from './steps.ts';

/** Thrown when another owner has the saga: whatever this one was doing is no longer its business. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** A saga's key among all requests, and what was asked. */
export type SagaRequest = {
  readonly kind: SagaKind;
  readonly principal: string;
  readonly requestId: string;
  readonly requestHash: Buffer;
};

/** Who works on a saga, and for how long at most, in milliseconds. */
export type Lease = { readonly owner: string; readonly leaseMs: number };

/**
 * Writes a saga that its writer begins to work on at once. Undefined when this request has one already.
 *
 * @param giveUpMs time for its forward steps; undefined: they are tried until they have worked.
 */
export async function beginSaga(
  tx: Sql,
  request: SagaRequest,
  start: { shipmentId: string; step: 'RESERVE' | 'RELEASE'; giveUpMs: number | undefined },
  lease: Lease,
): Promise<string | undefined> {
  const { rows } = await tx.query<{ saga_id: string }>({
    name: 'saga_begin',
    text: `
      INSERT INTO sagas (shipment_id, kind, step, principal, request_id, request_hash, give_up_time, lease_owner, lease_until)
      VALUES ($1, $2, $3, $4, $5, $6, coalesce(now() + $7::bigint * interval '1 millisecond', 'infinity'), $8,
        now() + $9::bigint * interval '1 millisecond')
      ON CONFLICT (kind, principal, request_id) DO NOTHING
      RETURNING saga_id`,
    values: [
      start.shipmentId,
      request.kind,
      start.step,
      request.principal,
      request.requestId,
      request.requestHash,
      start.giveUpMs ?? null,
      lease.owner,
      lease.leaseMs,
    ],
  });
  return rows[0]?.saga_id;
}

/**
 * Moves a saga to its next step, and the shipment with it. The lease begins anew.
 *
 * @param failure why it is turned back or ends without success; kept from then on.
 * @throws LeaseLost
 */
export async function moveOn(
  pool: Pool,
  saga: Saga,
  next: Next,
  lease: Lease,
  failure: Failure | undefined = saga.failure,
): Promise<void> {
  if (next.to !== 'DONE' && next.state === undefined) {
    await guarded(pool, saga, { to: next.to, failure, response: undefined }, lease);
    return;
  }
  await transaction(pool, async (tx) => {
    // The saga's row is locked first, always: two owners of one saga take turns.
    await lockSaga(tx, saga);
    const shipment = await changeShipment(tx, saga, next, failure);
    const response = next.to === 'DONE' && !isFailure(saga, shipment) ? responseOf(saga.kind, shipment) : undefined;
    await guarded(tx, saga, { to: next.to, failure, response }, lease);
    await recordChange(tx, shipment);
  });
}

/**
 * Puts a saga off after a try that failed for a passing reason, and gives the lease back.
 *
 * @returns false when its time is over before the next try, and nothing was changed.
 */
export async function putOff(pool: Pool, saga: Saga, pauseMs: number, isBounded: boolean): Promise<boolean> {
  const rows = await query(pool, {
    name: 'saga_put_off',
    text: `
      UPDATE sagas SET attempts = attempts + 1, lease_until = now(),
        next_attempt_time = now() + $4::bigint * interval '1 millisecond'
      WHERE saga_id = $1 AND fencing_token = $2 AND step = $3
        AND (NOT $5 OR now() + $4::bigint * interval '1 millisecond' < give_up_time)
      RETURNING saga_id`,
    values: [saga.sagaId, saga.fencingToken, saga.step, Math.ceil(pauseMs), isBounded],
  });
  return rows.length > 0;
}

/** Gives the lease back, so that another owner can go on at once. */
export async function handBack(pool: Pool, saga: Saga): Promise<void> {
  await query(pool, {
    name: 'saga_hand_back',
    text: 'UPDATE sagas SET lease_until = now() WHERE saga_id = $1 AND fencing_token = $2 AND done_time IS NULL',
    values: [saga.sagaId, saga.fencingToken],
  });
}

/** Whether a shipment failed without a reservation, so that one which turns up late is nobody's. */
export async function failedWithoutReservation(pool: Pool, shipmentId: string): Promise<boolean> {
  const rows = await query(pool, {
    name: 'shipment_failed_bare',
    text: 'SELECT 1 FROM shipments WHERE shipment_id = $1 AND state = $2 AND reservation_id IS NULL',
    values: [shipmentId, ShipmentState.FAILED],
  });
  return rows.length > 0;
}

/** @throws LeaseLost */
async function lockSaga(tx: Sql, { sagaId, fencingToken, step }: Saga): Promise<void> {
  const { rowCount } = await tx.query({
    name: 'saga_lock',
    text: 'SELECT 1 FROM sagas WHERE saga_id = $1 AND fencing_token = $2 AND step = $3 FOR UPDATE',
    values: [sagaId, fencingToken, step],
  });
  if (rowCount === 0) {
    throw new LeaseLost();
  }
}

/** @throws LeaseLost */
async function guarded(
  sql: Sql,
  saga: Saga,
  change: { to: Next['to']; failure: Failure | undefined; response: Uint8Array | undefined },
  { leaseMs }: Lease,
): Promise<void> {
  const { rowCount } = await sql.query({
    name: 'saga_move',
    text: `
      UPDATE sagas SET step = $4, failure = $5, response = $6, attempts = 0, next_attempt_time = now(),
        lease_until = now() + $7::bigint * interval '1 millisecond',
        done_time = CASE WHEN $4 = 'DONE' THEN now() END
      WHERE saga_id = $1 AND fencing_token = $2 AND step = $3`,
    values: [
      saga.sagaId,
      saga.fencingToken,
      saga.step,
      change.to,
      change.failure === undefined ? null : JSON.stringify(change.failure),
      change.response === undefined ? null : Buffer.from(change.response),
      leaseMs,
    ],
  });
  if (rowCount === 0) {
    throw new LeaseLost();
  }
}

async function changeShipment(tx: Sql, saga: Saga, next: Next, failure: Failure | undefined): Promise<Shipment> {
  const hasFailed = next.state === ShipmentState.FAILED;
  const { rows } = await tx.query<ShipmentRow>({
    name: 'shipment_change',
    text: `
      UPDATE shipments SET state = $2, reservation_id = coalesce($3, reservation_id), failure_reason = $4,
        failure_message = $5, update_time = now()
      WHERE shipment_id = $1
      RETURNING ${SHIPMENT_SELECTION}`,
    values: [
      saga.shipmentId,
      next.state,
      next.reservationId ?? null,
      hasFailed ? (failure?.reason ?? '') : '',
      hasFailed ? (failure?.message ?? '') : '',
    ],
  });
  const [row] = rows;
  if (row === undefined) {
    throw new Error(`shipment ${saga.shipmentId} is not there although its saga is`);
  }
  return shipmentOf(row);
}

/** A saga that ends elsewhere than it was to lead ends with its failure. */
function isFailure({ kind }: Saga, { state }: Shipment): boolean {
  return state !== (kind === 'PLACE' ? ShipmentState.CONFIRMED : ShipmentState.CANCELLED);
}

function responseOf(kind: SagaKind, shipment: Shipment): Uint8Array {
  const schema = kind === 'PLACE' ? PlaceShipmentResponseSchema : CancelShipmentResponseSchema;
  return toBinary(schema, create(schema, { shipment }));
}
