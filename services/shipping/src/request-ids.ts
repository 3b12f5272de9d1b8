/**
 * Ids of the requests that shipping makes of others on behalf of a request or a shipment: name-based UUIDs (RFC 9562, version 5),
 * so that whoever repeats the work, after a crash too, repeats the same requests.
 */

import { createHash } from 'node:crypto';

/** The namespace of shipping's request ids: a random UUID, fixed for good. */
const NAMESPACE = Buffer.from('6f0c5a1e3b7d4e0f9a5208c4d7b1e693', 'hex');

/** The UUID that some parts name together. The parts are told apart: ('a', 'bc') is another name than ('ab', 'c'). */
export function derivedRequestId(...parts: readonly string[]): string {
  const bytes = createHash('sha1').update(NAMESPACE).update(JSON.stringify(parts)).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
