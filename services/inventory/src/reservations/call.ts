/**
 * A call of CreateReservation as the batches see it, and what becomes of it.
 */

import {
  type CreateReservationRequest,
  CreateReservationRequestSchema,
  type CreateReservationResponse,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { requestHash } from '@weft/runtime/data/idempotency';
import { fail } from '@weft/runtime/errors/fail';
import { keptAnswer } from './held.ts';

/** The name under which the idempotency keys are kept. */
export const RPC = 'weft.inventory.v1.ReservationService/CreateReservation';

/** One caller's request. */
export type ReservationCall = {
  readonly request: CreateReservationRequest;
  /** In whose name: keys of different principals are different keys. */
  readonly principal: string;
};

/** A call with what names it. */
export type KeyedCall = ReservationCall & { readonly key: string; readonly hash: Buffer };

/** What a caller gets. */
export type Outcome = CreateReservationResponse | Error;

/** Names a call. Request ids are UUIDs: no space in them, and the database writes them in lower case. */
export function keyedCall(call: ReservationCall): KeyedCall {
  return {
    ...call,
    key: `${call.request.requestId.toLowerCase()} ${call.principal}`,
    hash: requestHash(CreateReservationRequestSchema, call.request),
  };
}

/** An idempotency key as it was found. */
export type KnownKey = { readonly hash: Buffer; readonly response: Buffer; readonly createTime: Date };

/** The outcome of a call whose request came before. */
export function repeated({ request, hash }: KeyedCall, known: KnownKey | undefined): Outcome {
  if (known === undefined) {
    // It was there a moment ago: forgotten between two statements. The caller's next try finds no key.
    return fail('UNREACHABLE');
  }
  return known.hash.equals(hash)
    ? keptAnswer(known.response, request, known.createTime)
    : fail('REQUEST_ID_REUSED', undefined, { request_id: request.requestId });
}
