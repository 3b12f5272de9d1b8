/**
 * Takes up sagas that nobody works on: whose pause is over, or whose owner let its lease run out.
 */

import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { AllocationSchema } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { query } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import type { Lease } from './ledger.ts';
import type { Failure, Saga } from './saga.ts';
import type { SagaTimes } from './times.ts';

/** A saga as the database gives it: what is absent is null, messages are JSON. */
type SagaRow = Omit<Saga, 'failure' | 'reservationId' | 'destinationCountryCode' | 'allocations'> & {
  readonly failure: Failure | null;
  readonly reservationId: string | null;
  readonly destination: JsonValue;
  readonly allocations: JsonValue[];
};

/** What an owner knows of a saga; `owned` names the rows that it has just taken. */
const SELECT_OWNED = `
  SELECT g.saga_id AS "sagaId", g.shipment_id AS "shipmentId", g.kind, g.step, g.fencing_token AS "fencingToken", g.attempts,
    g.give_up_time <= now() AS overdue, g.create_time + $3::bigint * interval '1 millisecond' <= now() AS "holdOver",
    g.failure, s.quote_id AS "quoteId", s.reservation_id AS "reservationId", s.destination, s.allocations
  FROM owned g JOIN shipments s USING (shipment_id)`;

/** Takes up to `limit` sagas that are due. Processes that look at once get different ones. */
export async function takeDue(pool: Pool, lease: Lease, times: SagaTimes, limit: number): Promise<Saga[]> {
  const rows = await query<SagaRow>(pool, {
    name: 'saga_take_due',
    text: `
      WITH due AS (
        SELECT saga_id FROM sagas
        WHERE done_time IS NULL AND next_attempt_time <= now() AND lease_until <= now()
        ORDER BY next_attempt_time LIMIT $4
        FOR UPDATE SKIP LOCKED
      ), owned AS (
        UPDATE sagas SET lease_owner = $1, lease_until = now() + $2::bigint * interval '1 millisecond',
          fencing_token = fencing_token + 1
        FROM due WHERE sagas.saga_id = due.saga_id
        RETURNING sagas.*
      )
      ${SELECT_OWNED}`,
    values: [lease.owner, lease.leaseMs, holdEndMs(times), limit],
  });
  return rows.map(sagaOf);
}

/** The saga that its owner has just begun. */
export async function readBegun(pool: Pool, sagaId: string, times: SagaTimes): Promise<Saga | undefined> {
  const rows = await query<SagaRow>(pool, {
    name: 'saga_read_begun',
    text: `WITH owned AS (SELECT * FROM sagas WHERE saga_id = $1 AND fencing_token = $2) ${SELECT_OWNED}`,
    values: [sagaId, 1, holdEndMs(times)],
  });
  return rows.map(sagaOf)[0];
}

/** After this, counted from the saga's beginning, no hold that it may have made is left. */
function holdEndMs({ giveUpMs, holdMs }: SagaTimes): number {
  return giveUpMs + holdMs;
}

function sagaOf({ failure, reservationId, destination, allocations, ...row }: SagaRow): Saga {
  return {
    ...row,
    failure: failure ?? undefined,
    reservationId: reservationId ?? undefined,
    destinationCountryCode: fromJson(AddressSchema, destination).countryCode,
    allocations: allocations.map((allocation) => fromJson(AllocationSchema, allocation)),
  };
}
