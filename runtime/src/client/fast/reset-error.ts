/**
 * What it means for a call that its stream was reset, or its connection lost.
 */

import { constants } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';

/** gRPC's statuses for the codes of HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md, "Errors"); all others are INTERNAL. */
const CODES: ReadonlyMap<number, Code> = new Map([
  [constants.NGHTTP2_REFUSED_STREAM, Code.Unavailable],
  [constants.NGHTTP2_CANCEL, Code.Canceled],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, Code.ResourceExhausted],
  [constants.NGHTTP2_INADEQUATE_SECURITY, Code.PermissionDenied],
]);

/**
 * The error of a call whose stream closed before it was answered.
 *
 * @param isGone whether the connection went with it: then the callee cannot be reached, whatever the code says.
 */
export function resetError(rstCode: number, cause: unknown, isGone: boolean): ConnectError {
  if (isGone) {
    const said = cause instanceof Error ? cause.message : 'the connection was lost';
    return new ConnectError(said, Code.Unavailable, undefined, undefined, cause);
  }
  const said = `the stream was reset with code 0x${rstCode.toString(16)} before the answer was complete`;
  return new ConnectError(said, CODES.get(rstCode) ?? Code.Internal, undefined, undefined, cause);
}
