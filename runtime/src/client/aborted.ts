/**
 * The errors of calls that this process has ended itself, or would have.
 */

import { Code, ConnectError } from '@connectrpc/connect';

/** The error for a signal's reason: what it is, where it is one already; else CANCELED. */
export function abortedError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) {
    return reason;
  }
  const said = reason instanceof Error ? reason.message : String(reason ?? 'This operation was aborted');
  return new ConnectError(said, Code.Canceled, undefined, undefined, reason);
}

/** The error of a call whose deadline has passed. */
export function timedOut(): ConnectError {
  return new ConnectError('the operation timed out', Code.DeadlineExceeded);
}

/** The error of a call that HTTP/2 cannot carry, such as for a header that belongs to HTTP/1.1. */
export function unsendable(cause: unknown): ConnectError {
  return ConnectError.from(cause, Code.Internal);
}

/** How much earlier than ours a peer's deadline may pass, in milliseconds: the time on the way and the grain of timers. */
const CLOCKS_APART_MS = 20;

/**
 * From when on a call that its peer cancels is late, by `performance.now`: the peer keeps the same deadline, and its clock may be a
 * little faster.
 */
export function lateFromMs(timeoutMs: number | undefined): number {
  return timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs - CLOCKS_APART_MS;
}
