/**
 * From the `Headers` of an answer to what node:http2 sends.
 */

import type { OutgoingHttpHeaders, ServerStreamResponseOptions } from 'node:http2';

/** Headers that HTTP/2 forbids (RFC 9113 8.2.2). */
const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/** Whether HTTP/2 forbids a header. */
export function isForbidden(name: string): boolean {
  return CONNECTION_HEADERS.has(name);
}

/** Headers that the protocols set. */
const PROTOCOL_HEADERS = new Set(['content-type', 'grpc-encoding', 'grpc-accept-encoding', 'trailer']);

/** Whether a handler set headers of its own. */
export function hasHandlersOwn(headers: Headers | undefined): boolean {
  return headers !== undefined && [...headers.keys()].some((name) => !PROTOCOL_HEADERS.has(name));
}

/** Headers for HTTP/2; several `set-cookie` stay several. */
export function outgoing(headers: Headers | undefined): OutgoingHttpHeaders {
  const result: OutgoingHttpHeaders = {};
  for (const [name, value] of headers ?? []) {
    if (name === 'set-cookie') {
      result[name] = headers?.getSetCookie();
    } else if (!isForbidden(name)) {
      result[name] = value;
    }
  }
  return result;
}

/**
 * How an answer begins. None has a `date`, which costs bytes and time and which nobody reads between services; Node takes the wish
 * from its own compatibility layer and leaves it out of the types.
 */
const NO_DATE = { sendDate: false };
export const WITH_TRAILERS: ServerStreamResponseOptions = { waitForTrailers: true, ...NO_DATE };
export const WITHOUT_TRAILERS: ServerStreamResponseOptions = { waitForTrailers: false, ...NO_DATE };
export const HEADERS_ONLY: ServerStreamResponseOptions = { endStream: true, ...NO_DATE };
