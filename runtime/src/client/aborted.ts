/**
 * The error of a call that this process has ended itself.
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
