/**
 * How long a call may take: what the caller asks for, clamped to what the contract promises. On the adapter's lane the headers
 * are rewritten to the result before Connect reads them, because Connect refuses a longer timeout where gRPC's custom is to
 * shorten it.
 */

import type { IncomingHttpHeaders } from 'node:http2';

const DIGITS_MAX = 8;
const ZERO = '0'.charCodeAt(0);
const CONNECT_TIMEOUT = /^\d{1,10}$/;
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
/** The longest that `grpc-timeout` can say in milliseconds, about 27 hours; well below what a timer of Node can hold. */
const TIMEOUT_MAX_MS = 99_999_999;

/** The headers that carry timeouts. */
export type TimeoutHeader = 'grpc-timeout' | 'connect-timeout-ms';

/** The header that carries the timeout in the request's protocol. */
function timeoutHeader(headers: IncomingHttpHeaders): TimeoutHeader {
  return headers['content-type']?.startsWith('application/grpc') ? 'grpc-timeout' : 'connect-timeout-ms';
}

/** The milliseconds of a `grpc-timeout`, one to eight digits and a unit; undefined when it cannot be understood. */
function grpcTimeoutMs(text: string): number | undefined {
  const digits = text.length - 1;
  const unitMs = UNIT_MS[text.charAt(digits)];
  if (unitMs === undefined || digits < 1 || digits > DIGITS_MAX) {
    return undefined;
  }
  let amount = 0;
  for (let index = 0; index < digits; index += 1) {
    const digit = text.charCodeAt(index) - ZERO;
    if (digit < 0 || digit > 9) {
      return undefined;
    }
    amount = amount * 10 + digit;
  }
  return amount * unitMs;
}

/** The milliseconds of a `connect-timeout-ms`; undefined when it cannot be understood. */
function connectTimeoutMs(text: string): number | undefined {
  return CONNECT_TIMEOUT.test(text) ? Number(text) : undefined;
}

/** The timeout in a header, in milliseconds; undefined: none; NaN: one that cannot be understood, which Connect is to refuse. */
export function timeoutIn(headers: IncomingHttpHeaders, name: TimeoutHeader): number | undefined {
  const text = headers[name];
  if (text === undefined) {
    return undefined;
  }
  if (typeof text !== 'string') {
    return Number.NaN;
  }
  return (name === 'grpc-timeout' ? grpcTimeoutMs(text) : connectTimeoutMs(text)) ?? Number.NaN;
}

/** The timeout that a caller asks for, in milliseconds; undefined when it asks for none or cannot be understood. */
export function requestedTimeoutMs(headers: IncomingHttpHeaders): number | undefined {
  const timeoutMs = timeoutIn(headers, timeoutHeader(headers));
  return Number.isNaN(timeoutMs) ? undefined : timeoutMs;
}

/** The timeout of a call in milliseconds: the lesser of what was asked for and `capMs`; undefined without either. */
export function clampTimeout(requestedMs: number | undefined, capMs: number | undefined): number | undefined {
  if (requestedMs === undefined) {
    return capMs;
  }
  return Math.min(requestedMs, capMs ?? TIMEOUT_MAX_MS, TIMEOUT_MAX_MS);
}

/** Writes the timeout that holds into the headers. A malformed one counts as absent, and is left for Connect to refuse. */
export function rewriteTimeout(headers: IncomingHttpHeaders, timeoutMs: number | undefined): void {
  const name = timeoutHeader(headers);
  if (timeoutMs !== undefined && (headers[name] === undefined || requestedTimeoutMs(headers) !== undefined)) {
    const wholeMs = Math.ceil(timeoutMs);
    headers[name] = name === 'grpc-timeout' ? `${wholeMs}m` : `${wholeMs}`;
  }
}
