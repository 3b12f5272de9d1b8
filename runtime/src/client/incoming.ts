/**
 * What a failed call to another workload means to the code that made it: always a typed error. A callee's own typed error
 * stays as it is; what sidecars and sockets say becomes a reason of the catalogue, with their words kept as the cause, since
 * they name addresses and are not for a client's eyes.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import { fail, reasonOf } from '../errors/fail.ts';

/** Socket errors that mean that nothing is there to answer. */
const NOBODY_THERE: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EACCES',
]);

/**
 * The typed error for what a call to `workload` failed with.
 *
 * @param isCancelled whether this process cancelled the call; a stream that was cancelled by anyone else, or whose connection died,
 *   found nobody to answer it.
 */
export function incomingError(workload: string, error: unknown, isCancelled: boolean): ConnectError {
  if (error instanceof ConnectError && reasonOf(error) !== undefined) {
    return error;
  }
  const options = { cause: error };
  if (hasSocketCause(error)) {
    return fail('UNREACHABLE', `${workload} cannot be reached.`, { workload }, options);
  }
  switch (error instanceof ConnectError ? error.code : Code.Internal) {
    case Code.Unavailable:
      return fail('UNREACHABLE', `${workload} cannot be reached.`, { workload }, options);
    case Code.DeadlineExceeded:
      return fail('DEADLINE', `${workload} did not answer in time.`, { workload }, options);
    case Code.ResourceExhausted:
      return fail('OVERLOADED', `${workload} is asked for more than it can do now.`, { workload }, options);
    case Code.Canceled:
      return isCancelled
        ? fail('CANCELLED', undefined, { workload }, options)
        : fail('UNREACHABLE', `${workload} cannot be reached.`, { workload }, options);
    default:
      return fail('INTERNAL', undefined, { workload }, options);
  }
}

function hasSocketCause(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    if ('syscall' in cause && 'code' in cause && NOBODY_THERE.has(cause.code)) {
      return true;
    }
  }
  return false;
}
