/**
 * Tells a callee's "no" from a passing trouble, and says what of it the caller is told.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import type { Reason } from '@weft/runtime/errors/catalogue';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import type { Failure } from './saga.ts';

/** Statuses that stay the same however often the same is asked. */
const FINAL: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.AlreadyExists,
  Code.PermissionDenied,
  Code.FailedPrecondition,
  Code.OutOfRange,
  Code.Unimplemented,
  Code.Unauthenticated,
]);

/** Reasons of callees that PlaceShipment's contract passes on. */
const PASSED_ON: ReadonlySet<Reason> = new Set([
  'INSUFFICIENT_STOCK',
  'ITEM_NOT_FOUND',
  'QUOTE_EXPIRED',
  'QUOTE_STATE',
]);

/** Whether a callee refused for good. Anything else (UNAVAILABLE, a deadline, INTERNAL) may have had its effect or not. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ConnectError && FINAL.has(error.code);
}

/** What the caller of PlaceShipment is told of a refusal. */
export function failureOf(error: unknown): Failure {
  const reason = reasonOf(error);
  if (reason !== undefined && PASSED_ON.has(reason) && error instanceof ConnectError) {
    return { reason, message: error.rawMessage, metadata: metadataOf(error) };
  }
  return abandoned('Another part of the system refused it.', reason);
}

/** The failure of a shipment that was given up. */
export function abandoned(message: string, cause?: Reason): Failure {
  return { reason: 'SHIPMENT_ABANDONED', message, metadata: cause === undefined ? {} : { cause } };
}
