/**
 * The envelope of a gRPC message: a byte of flags, four of length, and the message.
 */

export const ENVELOPE_HEAD_BYTES = 5;
const COMPRESSED_FLAG = 1;

/** The message of a body that holds exactly one; undefined for any other body. */
export function messageOf(
  body: Uint8Array,
  mayBeCompressed: boolean,
): { readonly bytes: Uint8Array; readonly isCompressed: boolean } | undefined {
  const flags = body[0];
  if (body.byteLength < ENVELOPE_HEAD_BYTES || body.byteLength !== ENVELOPE_HEAD_BYTES + lengthIn(body)) {
    return undefined;
  }
  if (flags !== 0 && (flags !== COMPRESSED_FLAG || !mayBeCompressed)) {
    return undefined;
  }
  return { bytes: body.subarray(ENVELOPE_HEAD_BYTES), isCompressed: flags === COMPRESSED_FLAG };
}

/** How many bytes an envelope announces, its head included; 0 while its head is not complete. */
export function envelopeBytes(chunks: readonly Uint8Array[]): number {
  const [first] = chunks;
  if (first === undefined) {
    return 0;
  }
  const head =
    first.byteLength >= ENVELOPE_HEAD_BYTES || chunks.length === 1
      ? first
      : Buffer.concat(chunks.slice(0, ENVELOPE_HEAD_BYTES)).subarray(0, ENVELOPE_HEAD_BYTES);
  return head.byteLength < ENVELOPE_HEAD_BYTES ? 0 : ENVELOPE_HEAD_BYTES + lengthIn(head);
}

/** A message with room in front of it, for an envelope's head unless told otherwise; as it is where none is wanted. */
export function withRoom(message: Uint8Array, roomBytes: number = ENVELOPE_HEAD_BYTES): Uint8Array {
  if (roomBytes === 0) {
    return message;
  }
  const result = Buffer.allocUnsafe(roomBytes + message.byteLength);
  result.set(message, roomBytes);
  return result;
}

/** Makes an envelope of a message that has room for the head in front of it. */
export function seal(enveloped: Uint8Array, isCompressed: boolean): Uint8Array {
  const length = enveloped.byteLength - ENVELOPE_HEAD_BYTES;
  enveloped[0] = isCompressed ? COMPRESSED_FLAG : 0;
  enveloped[1] = length >>> 24;
  enveloped[2] = (length >>> 16) & 0xff;
  enveloped[3] = (length >>> 8) & 0xff;
  enveloped[4] = length & 0xff;
  return enveloped;
}

function lengthIn(head: Uint8Array): number {
  const [, a = 0, b = 0, c = 0, d = 0] = head;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
