/**
 * The message of a gRPC status, which is percent-encoded: one that is encoded badly is read as far as it can be, since the status is not
 * to be lost over it (gRPC over HTTP/2, "Responses"). Connect's functions throw over it.
 */

import type { IncomingHttpHeaders } from 'node:http2';

const NAME = 'grpc-message';
/** What is encoded of a text, as it is read. */
const ENCODED = /(?:%[0-9a-f]{2})+/gi;

/** Encodes the message among headers anew where it is encoded badly. */
export function mendStatusMessage(headers: IncomingHttpHeaders): void {
  const message = headers[NAME];
  if (typeof message === 'string' && message.includes('%') && !isEncodedWell(message)) {
    const read = message.replace(ENCODED, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString());
    headers[NAME] = encodeURIComponent(read);
  }
}

function isEncodedWell(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
