/**
 * What each step asks of other workloads, and where it leads. A step does nothing to shipping's own database, so that it may be
 * repeated at will.
 */

import { ReservationPolicy, type ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import type { QuoteService } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { ShipmentState } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Reason } from '@weft/runtime/errors/catalogue';
import { reasonOf } from '@weft/runtime/errors/fail';
import type { Callee } from '../../callee.ts';
import { derivedRequestId } from '../../request-ids.ts';
import { required } from '../../required.ts';
import type { Saga, Step } from './saga.ts';

/** The workloads that a saga asks. */
export type Upstream = {
  readonly reservations: Callee<typeof ReservationService>;
  readonly quotes: Callee<typeof QuoteService>;
};

/** Where a step leads, and what becomes of the shipment. */
export type Next = {
  readonly to: Step | 'DONE';
  readonly state?: ShipmentState;
  readonly reservationId?: string;
};

/** Carries a step out. Throws what the callee answered. */
export async function carryOut(saga: Saga, upstream: Upstream, holdMs: number): Promise<Next> {
  switch (saga.step) {
    case 'RESERVE':
      return { to: 'ACCEPT', state: ShipmentState.RESERVED, reservationId: await reserve(saga, upstream, holdMs) };
    case 'ACCEPT':
      await upstream.quotes.acceptQuote({
        requestId: requestId(saga, 'accept'),
        quoteId: saga.quoteId,
        reference: saga.shipmentId,
      });
      return { to: 'CONFIRM' };
    case 'CONFIRM':
      await upstream.reservations.confirmReservation({
        requestId: requestId(saga, 'confirm'),
        reservationId: required(saga.reservationId, 'reservation_id'),
      });
      return { to: 'DONE', state: ShipmentState.CONFIRMED };
    case 'UNDO_ACCEPT':
      await tolerating(['QUOTE_NOT_FOUND', 'QUOTE_STATE'], () => voidQuote(saga, upstream));
      return { to: 'UNDO_RESERVE' };
    case 'UNDO_RESERVE':
      await undoReserve(saga, upstream, holdMs);
      return { to: 'DONE', state: ShipmentState.FAILED };
    case 'RELEASE':
      await tolerating(['RESERVATION_NOT_FOUND'], () =>
        release(saga, upstream, required(saga.reservationId, 'reservation_id')),
      );
      return { to: 'VOID' };
    case 'VOID':
      await tolerating(['QUOTE_NOT_FOUND', 'QUOTE_STATE'], () => voidQuote(saga, upstream));
      return { to: 'DONE', state: ShipmentState.CANCELLED };
  }
}

/** Releases a reservation that belongs to a shipment. */
export async function release(saga: Saga, upstream: Upstream, reservationId: string): Promise<void> {
  await upstream.reservations.releaseReservation({ requestId: requestId(saga, 'release'), reservationId });
}

/** Sets the stock aside where the packages were planned, and gives the reservation's id. */
async function reserve(saga: Saga, { reservations }: Upstream, holdMs: number): Promise<string> {
  const { reservation } = await reservations.createReservation({
    requestId: requestId(saga, 'reserve'),
    lines: saga.allocations.map(({ sku, locationId, quantity }) => ({ sku, locationId, quantity })),
    destinationCountryCode: saga.destinationCountryCode,
    policy: ReservationPolicy.ALL_OR_NOTHING,
    ttl: { seconds: BigInt(Math.floor(holdMs / 1_000)), nanos: (holdMs % 1_000) * 1_000_000 },
    reference: saga.shipmentId,
  });
  return required(reservation, 'reservation').reservationId;
}

async function voidQuote(saga: Saga, { quotes }: Upstream): Promise<void> {
  await quotes.voidQuote({
    requestId: requestId(saga, 'void'),
    quoteId: saga.quoteId,
    reference: saga.shipmentId,
  });
}

async function undoReserve(saga: Saga, upstream: Upstream, holdMs: number): Promise<void> {
  const reservationId = saga.reservationId ?? (await learnReservation(saga, upstream, holdMs));
  if (reservationId !== undefined) {
    await tolerating(['RESERVATION_NOT_FOUND', 'RESERVATION_STATE'], () => release(saga, upstream, reservationId));
  }
}

/**
 * The id of a reservation whose answer was lost: the same request gets the same answer. Undefined when there is nothing to
 * release, because nothing can be reserved, or because a hold of then has expired.
 */
async function learnReservation(saga: Saga, upstream: Upstream, holdMs: number): Promise<string | undefined> {
  if (saga.holdOver) {
    return undefined;
  }
  return await tolerating(['INSUFFICIENT_STOCK', 'ITEM_NOT_FOUND', 'LOCATION_NOT_FOUND'], () =>
    reserve(saga, upstream, holdMs),
  );
}

/** The result, or undefined when the callee says that there is nothing to do. */
async function tolerating<T>(reasons: readonly Reason[], ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    const reason = reasonOf(error);
    if (reason !== undefined && reasons.includes(reason)) {
      return undefined;
    }
    throw error;
  }
}

function requestId(saga: Saga, name: string): string {
  return derivedRequestId('shipment', saga.shipmentId, saga.kind, name);
}
