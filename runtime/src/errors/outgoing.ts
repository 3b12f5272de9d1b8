/**
 * What a client is told of an error that a handler threw. Typed errors go out as they are; anything else is logged here,
 * with its trace id, and the client gets INTERNAL and nothing of what happened inside.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import { log } from '../log.ts';
import { currentCall } from '../server/call.ts';
import type { Reason } from './catalogue.ts';
import { fail, reasonOf } from './fail.ts';

/** Statuses that Connect's own checks raise, and the reason that goes with each. */
const REASON_OF_CODE: ReadonlyMap<Code, Reason> = new Map([
  [Code.InvalidArgument, 'MALFORMED_REQUEST'],
  [Code.ResourceExhausted, 'MESSAGE_TOO_LARGE'],
  [Code.Unimplemented, 'UNKNOWN_RPC'],
  [Code.Unauthenticated, 'UNAUTHENTICATED'],
  [Code.PermissionDenied, 'NOT_PERMITTED'],
  [Code.DeadlineExceeded, 'DEADLINE'],
  [Code.Canceled, 'CANCELLED'],
]);

/** Statuses that say that the server is at fault, whatever their text: it is not sent. */
const FAULTS: ReadonlySet<Code> = new Set([Code.Internal, Code.Unknown, Code.DataLoss]);

/** How Connect begins the text of the INTERNAL that it raises for bytes that are no message: the caller's fault, not ours. */
const UNREADABLE_MESSAGE = 'parse binary';

/** The reason that an error without one gets by its status; undefined for statuses that only a handler raises. */
export function reasonOfCode(code: Code): Reason | undefined {
  return REASON_OF_CODE.get(code) ?? (FAULTS.has(code) ? 'INTERNAL' : undefined);
}

/**
 * The error to send for what a handler threw.
 *
 * - A typed error (`fail`, or one received from a callee) goes out unchanged.
 * - A plain `ConnectError` of the handler's own keeps its status and text, and gets a reason where the status has one.
 * - All else, and an untyped error received from a callee, is INTERNAL.
 */
export function outgoingError(error: unknown): ConnectError {
  if (reasonOf(error) !== undefined && error instanceof ConnectError) {
    if (error.code === Code.Internal) {
      logFault(error);
    }
    return error;
  }
  if (
    error instanceof ConnectError &&
    error.code === Code.Internal &&
    error.rawMessage.startsWith(UNREADABLE_MESSAGE)
  ) {
    return fail('MALFORMED_REQUEST', undefined, {}, { cause: error });
  }
  if (error instanceof ConnectError && !error.isWireError && !FAULTS.has(error.code)) {
    const reason = reasonOfCode(error.code);
    return reason === undefined ? error : withReason(error, reason);
  }
  logFault(error);
  return fail('INTERNAL', undefined, {}, { cause: error });
}

function withReason(error: ConnectError, reason: Reason): ConnectError {
  const typed = fail(reason, error.rawMessage, {}, { cause: error });
  typed.details.push(...error.details);
  error.metadata.forEach((value, name) => {
    typed.metadata.append(name, value);
  });
  return typed;
}

function logFault(error: unknown): void {
  log.error(`${currentCall()?.rpc ?? 'a call'} failed`, { error });
}
