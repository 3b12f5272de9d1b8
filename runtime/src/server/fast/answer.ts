/**
 * Writes the answer of a call on the fast lane: gRPC's in an envelope with its status in trailers, or, where nothing but a
 * failure is to be told, in the one HEADERS frame that Envoy's retries look at; Connect's as a plain HTTP response.
 */

import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { ConnectError } from '@connectrpc/connect';
import { mergeNonProtocolHeaders } from '@connectrpc/connect/protocol';
import { codeToHttpStatus, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { seal } from '../../wire/envelope.ts';
import {
  HEADERS_ONLY,
  hasHandlersOwn,
  isForbidden,
  outgoing,
  WITH_TRAILERS,
  WITHOUT_TRAILERS,
} from '../outgoing-headers.ts';
import type { FastCall } from './fast-call.ts';

const OK_TRAILERS: OutgoingHttpHeaders = { 'grpc-status': '0' };
const OK = '200';
/** Headers that the protocol sets, whatever a handler thinks of them. */
const PROTOCOLS_OWN = new Set(['content-type', 'content-length']);

/** Writes the answer of a call that went well. @param message for gRPC, with room for an envelope's head in front of it. */
export function writeAnswer(call: FastCall, message: Uint8Array, isCompressed: boolean): void {
  const { stream, format, context } = call;
  if (format.protocol === 'grpc') {
    stream.respond(headOf(call), WITH_TRAILERS);
    const { trailer } = context;
    // Trailers may be an interceptor's own; the status is the protocol's.
    stream.on(
      'wantTrailers',
      trailer === undefined ? sendOk : () => stream.sendTrailers({ ...outgoing(trailer), ...OK_TRAILERS }),
    );
    send(call, seal(message, isCompressed));
    return;
  }
  const body = { status: OK, contentType: format.contentType, bytes: message, isCompressed };
  stream.respond(plainHead(call, body), WITHOUT_TRAILERS);
  send(call, message);
}

/** Sends the headers of a stream of answers; `endStream` ends it. */
export function beginStream(call: FastCall): void {
  const { stream } = call;
  stream.respond(headOf(call), WITH_TRAILERS);
  stream.on('wantTrailers', () => {
    const { error, context } = call;
    const trailer = new Headers(context.trailer);
    stream.sendTrailers(outgoing(setTrailerStatus(trailer, error)));
  });
  call.hasBegun = true;
}

/** Ends a stream of answers, well or with the error that the call has. */
export function endStream(call: FastCall): void {
  if (!call.hasBegun) {
    beginStream(call);
  }
  call.stream.end();
}

/** Writes an error as the whole answer, or as the end of one that has begun. */
export function writeError(call: FastCall, error: ConnectError): void {
  call.error = error;
  if (call.hasBegun) {
    endStream(call);
    return;
  }
  const { stream, format, context } = call;
  if (format.protocol === 'grpc') {
    const trailer = setTrailerStatus(new Headers(context.trailer), error);
    if (hasHandlersOwn(context.header)) {
      stream.respond(headOf(call), WITH_TRAILERS);
      stream.on('wantTrailers', () => stream.sendTrailers(outgoing(trailer)));
      stream.end();
      return;
    }
    const head = begin(call, OK, format.contentType);
    push(head, trailer);
    stream.respond(head, HEADERS_ONLY);
    return;
  }
  if (!error.isWireError && hasAny(error.metadata)) {
    mergeNonProtocolHeaders(context.responseHeader, error.metadata);
  }
  const status = String(codeToHttpStatus(error.code));
  const body = errorToJsonBytes(error, undefined);
  const compression = call.agreed.response;
  if (compression === null || body.byteLength < call.lane.compressMinBytes) {
    writeErrorBody(call, status, body, false);
    return;
  }
  compression.compress(body).then(
    (compressed) => {
      if (!stream.closed && !stream.destroyed) {
        writeErrorBody(call, status, compressed, true);
      }
    },
    () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  );
}

function writeErrorBody(call: FastCall, status: string, body: Uint8Array, isCompressed: boolean): void {
  const head = plainHead(call, { status, contentType: 'application/json', bytes: body, isCompressed });
  call.stream.respond(head, WITHOUT_TRAILERS);
  send(call, body);
}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(OK_TRAILERS);
}

function send(call: FastCall, bytes: Uint8Array): void {
  call.countUnsent(bytes.byteLength);
  call.stream.end(bytes);
}

/** Status and headers of an answer. The plain one is shared by all calls, and nobody may write into it. */
function headOf(call: FastCall): readonly string[] {
  const { format, agreed, context, traceId } = call;
  if (context.header === undefined && agreed.response === null && traceId === undefined) {
    return format.head;
  }
  const head = begin(call, OK, format.contentType);
  if (agreed.response !== null) {
    head.push('grpc-encoding', agreed.response.name);
  }
  return head;
}

/** A head to go on with. */
function begin({ context, traceId }: FastCall, status: string, contentType: string): string[] {
  const head = [':status', status, 'content-type', contentType];
  if (context.header !== undefined) {
    push(head, context.header);
  }
  if (traceId !== undefined) {
    head.push('x-weft-trace-id', traceId);
  }
  return head;
}

/** The head of an answer that is a plain HTTP response. */
function plainHead(
  call: FastCall,
  body: {
    readonly status: string;
    readonly contentType: string;
    readonly bytes: Uint8Array;
    readonly isCompressed: boolean;
  },
): string[] {
  const head = begin(call, body.status, body.contentType);
  if (body.isCompressed && call.agreed.response !== null) {
    head.push('content-encoding', call.agreed.response.name);
  }
  for (const [name, value] of call.context.trailer ?? []) {
    head.push(`trailer-${name}`, value);
  }
  head.push('content-length', String(body.bytes.byteLength));
  return head;
}

function push(head: string[], headers: Headers): void {
  for (const [name, value] of headers) {
    if (!isForbidden(name) && !PROTOCOLS_OWN.has(name)) {
      head.push(name, value);
    }
  }
}

function hasAny(headers: Headers): boolean {
  return !headers.keys().next().done;
}
