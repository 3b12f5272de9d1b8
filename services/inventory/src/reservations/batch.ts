/**
 * CreateReservation for many callers at once: one transaction claims their idempotency keys, reserves, and stores each
 * response beside its key. It is `once` of the runtime, for a batch.
 */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import {
  type CreateReservationRequest,
  CreateReservationRequestSchema,
  type CreateReservationResponse,
  CreateReservationResponseSchema,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { requestHash } from '@weft/runtime/data/idempotency';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { reserve } from './create.ts';

/** One caller's request. */
export type ReservationCall = {
  readonly request: CreateReservationRequest;
  /** In whose name: keys of different principals are different keys. */
  readonly principal: string;
};

/** The name under which the keys are kept. */
const RPC = 'weft.inventory.v1.ReservationService/CreateReservation';

/** A call with what names it, and what becomes of it. */
type Keyed = ReservationCall & { readonly key: string; readonly hash: Buffer };
type Outcome = CreateReservationResponse | ConnectError;

/** Answers each call, in their order. Calls that came before get their first response. */
export async function reserveOnce(tx: Sql, calls: readonly ReservationCall[]): Promise<Outcome[]> {
  const keyed = calls.map((call) => ({
    ...call,
    key: keyOf(call.principal, call.request.requestId),
    hash: requestHash(CreateReservationRequestSchema, call.request),
  }));
  // Of equal keys in one batch the first does the work and all get its outcome.
  const firsts = new Map<string, Keyed>();
  for (const call of keyed) {
    if (!firsts.has(call.key)) {
      firsts.set(call.key, call);
    }
  }
  const claimed = await claim(tx, [...firsts.values()]);
  const fresh = [...firsts.values()].filter(({ key }) => claimed.has(key));
  const outcomes = await readFirst(
    tx,
    [...firsts.values()].filter(({ key }) => !claimed.has(key)),
  );
  const reserved =
    fresh.length === 0
      ? []
      : await reserve(
          tx,
          fresh.map(({ request }) => request),
        );
  for (const [index, { key, hash }] of fresh.entries()) {
    const outcome = reserved[index];
    if (outcome === undefined) {
      throw new Error(`${reserved.length} outcomes for ${fresh.length} requests`);
    }
    const response =
      outcome instanceof ConnectError ? outcome : create(CreateReservationResponseSchema, { reservation: outcome });
    outcomes.set(key, { hash, response });
  }
  await store(tx, fresh, outcomes);
  return keyed.map(({ key, hash, request }) => {
    const first = outcomes.get(key);
    if (first === undefined) {
      // Its key was forgotten between two statements. The caller's next try finds none.
      return fail('UNREACHABLE');
    }
    return first.hash.equals(hash)
      ? first.response
      : fail('REQUEST_ID_REUSED', undefined, { request_id: request.requestId });
  });
}

type Stored = { readonly hash: Buffer; readonly response: Outcome };

/** Claims keys, in one order for all, so that batches do not wait for one another in circles. Gives those that were free. */
async function claim(tx: Sql, calls: readonly Keyed[]): Promise<ReadonlySet<string>> {
  const { rows } = await tx.query<{ principal: string; request_id: string }>({
    name: 'reservation_keys_claim',
    text: `
      INSERT INTO idempotency_keys (rpc, principal, request_id, request_hash)
      SELECT $1, principal, request_id, request_hash
      FROM unnest($2::text[], $3::uuid[], $4::bytea[]) AS k(principal, request_id, request_hash)
      ORDER BY principal COLLATE "C", request_id
      ON CONFLICT DO NOTHING
      RETURNING principal, request_id`,
    values: [RPC, ...columns(calls), calls.map(({ hash }) => hash)],
  });
  return new Set(rows.map((row) => keyOf(row.principal, row.request_id)));
}

/** What was answered when these keys came first. */
async function readFirst(tx: Sql, calls: readonly Keyed[]): Promise<Map<string, Stored>> {
  if (calls.length === 0) {
    return new Map();
  }
  const { rows } = await tx.query<{ principal: string; request_id: string; request_hash: Buffer; response: Buffer }>({
    name: 'reservation_keys_read',
    text: `
      SELECT principal, request_id, request_hash, response
      FROM idempotency_keys JOIN unnest($2::text[], $3::uuid[]) AS k(principal, request_id) USING (principal, request_id)
      WHERE rpc = $1`,
    values: [RPC, ...columns(calls)],
  });
  return new Map(
    rows.map((row) => [
      keyOf(row.principal, row.request_id),
      { hash: row.request_hash, response: fromBinary(CreateReservationResponseSchema, row.response) },
    ]),
  );
}

/** Keeps the responses; the keys of those who got an error are free again, so that they may try once more. */
async function store(tx: Sql, calls: readonly Keyed[], outcomes: ReadonlyMap<string, Stored>): Promise<void> {
  const answered: { call: Keyed; response: Uint8Array }[] = [];
  const refused: Keyed[] = [];
  for (const call of calls) {
    const outcome = outcomes.get(call.key)?.response;
    if (outcome === undefined || outcome instanceof ConnectError) {
      refused.push(call);
    } else {
      answered.push({ call, response: toBinary(CreateReservationResponseSchema, outcome) });
    }
  }
  if (answered.length > 0) {
    await tx.query({
      name: 'reservation_keys_answer',
      text: `
        UPDATE idempotency_keys i SET response = k.response
        FROM unnest($2::text[], $3::uuid[], $4::bytea[]) AS k(principal, request_id, response)
        WHERE i.rpc = $1 AND i.principal = k.principal AND i.request_id = k.request_id`,
      values: [
        RPC,
        ...columns(answered.map(({ call }) => call)),
        answered.map(({ response }) => Buffer.from(response)),
      ],
    });
  }
  if (refused.length > 0) {
    await tx.query({
      name: 'reservation_keys_free',
      text: `
        DELETE FROM idempotency_keys i
        USING unnest($2::text[], $3::uuid[]) AS k(principal, request_id)
        WHERE i.rpc = $1 AND i.principal = k.principal AND i.request_id = k.request_id`,
      values: [RPC, ...columns(refused)],
    });
  }
}

function columns(calls: readonly Keyed[]): [principals: string[], requestIds: string[]] {
  return [calls.map(({ principal }) => principal), calls.map(({ request }) => request.requestId)];
}

/** Request ids are UUIDs: no space in them, and the database writes them in lower case. */
function keyOf(principal: string, requestId: string): string {
  return `${requestId.toLowerCase()} ${principal}`;
}
