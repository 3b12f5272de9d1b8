/**
 * A reservation at the moment when it is made, and the form in which the answer to its request is kept beside its idempotency key:
 * without its instants. Those are the key's own, so that the answer can be stored by the very statement whose clock they are of.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type CreateReservationRequest,
  type CreateReservationResponse,
  CreateReservationResponseSchema,
  ReservationState,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { codecOf } from '@weft/runtime/codec/codec';
import { wholeMs } from '../duration.ts';
import type { StockPlan } from './plan.ts';
import { planMessages } from './reservation.ts';

const codec = codecOf(CreateReservationResponseSchema);

/** The answer, but for its instants. */
export function heldAnswer(
  reservationId: string,
  { reference }: CreateReservationRequest,
  plan: StockPlan,
): CreateReservationResponse {
  return create(CreateReservationResponseSchema, {
    reservation: { reservationId, state: ReservationState.HELD, ...planMessages(plan), reference },
  });
}

/** The bytes that are kept of an answer without its instants. */
export function keptBytes(answer: CreateReservationResponse): Buffer {
  const bytes = codec.encode(answer);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The answer that kept bytes stand for. `createTime` is the key's, `request` any repetition of its request. */
export function keptAnswer(
  bytes: Uint8Array,
  request: CreateReservationRequest,
  createTime: Date,
): CreateReservationResponse {
  return withInstants(codec.decode(bytes), request, createTime);
}

/** Completes an answer: made when its key was, held for as long as was asked. */
export function withInstants(
  answer: CreateReservationResponse,
  { ttl }: CreateReservationRequest,
  createTime: Date,
): CreateReservationResponse {
  const { reservation } = answer;
  if (reservation !== undefined) {
    const madeMs = createTime.getTime();
    reservation.createTime = timestampFromMs(madeMs);
    reservation.updateTime = timestampFromMs(madeMs);
    reservation.expireTime = timestampFromMs(madeMs + wholeMs(ttl));
  }
  return answer;
}
