/**
 * What a client is told of an error where the catalogue is not in use: a `ConnectError` goes out as it was thrown, as with Connect
 * itself; anything else is logged, and the client gets INTERNAL and nothing of what happened inside.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import { log } from '../log.ts';
import { currentCall } from '../server/call.ts';

/** An error of the runtime's own as those are told who know no catalogue: status and text. */
export function untyped(error: ConnectError): ConnectError {
  return new ConnectError(error.rawMessage, error.code);
}

/** The error to send for what a handler threw. */
export function asThrown(error: unknown): ConnectError {
  if (error instanceof ConnectError) {
    return error;
  }
  log.error(`${currentCall()?.rpc ?? 'a call'} failed`, { error });
  return new ConnectError('internal error', Code.Internal, undefined, undefined, error);
}
