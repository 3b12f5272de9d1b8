/**
 * Reads from the headers of a request whether the fast lane takes it.
 */

import type { IncomingHttpHeaders } from 'node:http2';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { clampTimeout, timeoutIn } from '../deadline.ts';
import type { ServedMethod } from '../served-method.ts';
import type { FastRequest } from './fast-call.ts';
import { agree, formatOf, formatOfGet } from './format.ts';

/** How to serve a request on the fast lane; undefined for one that is the adapter's. */
export function fastRequest(
  served: ServedMethod,
  headers: IncomingHttpHeaders,
  readMaxBytes: number,
): FastRequest | undefined {
  return headers[':method'] === 'POST' ? posted(served, headers, readMaxBytes) : got(served, headers, readMaxBytes);
}

/** Whether a GET of Connect's holds a message that is not the base64 that it says it is. */
export function hasBrokenMessage(headers: IncomingHttpHeaders): boolean {
  const path = headers[':path'] ?? '';
  const queryAt = path.indexOf('?');
  return queryAt >= 0 && messageIn(new URLSearchParams(path.slice(queryAt))) === undefined;
}

function posted(served: ServedMethod, headers: IncomingHttpHeaders, readMaxBytes: number): FastRequest | undefined {
  const format = formatOf(headers['content-type']);
  if (format === undefined) {
    return undefined;
  }
  const { protocol } = format;
  const encoding = headers[protocol === 'grpc' ? 'grpc-encoding' : 'content-encoding'];
  const requestedMs = timeoutIn(headers, protocol === 'grpc' ? 'grpc-timeout' : 'connect-timeout-ms');
  // One that says that it is too large is refused before it is read, which the adapter does.
  const isTooLarge = protocol === 'connect' && Number(headers['content-length']) > readMaxBytes;
  // Connect's streams have envelopes, and content types of their own.
  const isForeign = protocol === 'connect' && served.isStream;
  if (Number.isNaN(requestedMs) || Array.isArray(encoding) || isTooLarge || isForeign) {
    return undefined;
  }
  const agreed = agree(protocol, headers, encoding);
  return agreed && { format, agreed, timeoutMs: clampTimeout(requestedMs, served.capMs), got: undefined };
}

/** Connect's GET: the message is in the query. */
function got(served: ServedMethod, headers: IncomingHttpHeaders, readMaxBytes: number): FastRequest | undefined {
  const path = headers[':path'] ?? '';
  const queryAt = path.indexOf('?');
  // With a content type it is no GET that Connect's clients make.
  if (headers[':method'] !== 'GET' || !served.fast?.mayBeGot || queryAt < 0 || headers['content-type'] !== undefined) {
    return undefined;
  }
  const query = new URLSearchParams(path.slice(queryAt));
  const format = formatOfGet(query.get('encoding'));
  const requestedMs = timeoutIn(headers, 'connect-timeout-ms');
  const agreed = agree('connect', headers, query.get('compression') ?? undefined);
  const message = messageIn(query);
  if (format === undefined || agreed === undefined || message === undefined || Number.isNaN(requestedMs)) {
    return undefined;
  }
  // What is too large is the adapter's to refuse.
  if (message.byteLength > readMaxBytes) {
    return undefined;
  }
  return { format, agreed, timeoutMs: clampTimeout(requestedMs, served.capMs), got: message };
}

function messageIn(query: URLSearchParams): Uint8Array | undefined {
  const text = query.get('message') ?? '';
  if (query.get('base64') !== '1') {
    return new TextEncoder().encode(text);
  }
  try {
    return base64Decode(text);
  } catch {
    return undefined;
  }
}
