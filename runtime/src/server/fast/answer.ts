/**
 * Writes the answer of a call on the fast lane: gRPC's in an envelope with its status in trailers, or, where nothing but a
 * failure is to be told, in the one HEADERS frame that Envoy's retries look at; Connect's as a plain HTTP response.
 */

import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { ConnectError } from '@connectrpc/connect';
import { mergeNonProtocolHeaders } from '@connectrpc/connect/protocol';
import { codeToHttpStatus, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import {
  HEADERS_ONLY,
  hasHandlersOwn,
  isForbidden,
  outgoing,
  WITH_TRAILERS,
  WITHOUT_TRAILERS,
} from '../outgoing-headers.ts';
import { seal } from './envelope.ts';
import type { FastCall } from './fast-call.ts';

const OK_TRAILERS: OutgoingHttpHeaders = { 'grpc-status': '0' };
const OK = '200';

/** Writes the answer of a call that went well. @param message for gRPC, with room for an envelope's head in front of it. */
export function writeAnswer(call: FastCall, message: Uint8Array, isCompressed: boolean): void {
  const { stream, format, context } = call;
  if (format.protocol === 'grpc') {
    stream.respond(headOf(call, OK, format.contentType), WITH_TRAILERS);
    const { trailer } = context;
    stream.on('wantTrailers', trailer === undefined ? sendOk : () => stream.sendTrailers(outgoing(trailer)));
    send(call, seal(message, isCompressed));
    return;
  }
  const head = headOf(call, OK, format.contentType, isCompressed);
  addTrailersAsHeaders(head, context.trailer);
  head.push('content-length', String(message.byteLength));
  stream.respond(head, WITHOUT_TRAILERS);
  send(call, message);
}

/** Writes an error as the whole answer. */
export function writeError(call: FastCall, error: ConnectError): void {
  call.error = error;
  const { stream, format, context } = call;
  if (format.protocol === 'grpc') {
    const trailer = setTrailerStatus(new Headers(context.trailer), error);
    const head = [...headOf(call, OK, format.contentType)];
    if (hasHandlersOwn(context.header)) {
      stream.respond(head, WITH_TRAILERS);
      stream.on('wantTrailers', () => stream.sendTrailers(outgoing(trailer)));
      stream.end();
      return;
    }
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
  void compression.compress(body).then((compressed) => {
    if (!stream.closed && !stream.destroyed) {
      writeErrorBody(call, status, compressed, true);
    }
  });
}

function writeErrorBody(call: FastCall, status: string, body: Uint8Array, isCompressed: boolean): void {
  const head = headOf(call, status, 'application/json', isCompressed);
  addTrailersAsHeaders(head, call.context.trailer);
  head.push('content-length', String(body.byteLength));
  call.stream.respond(head, WITHOUT_TRAILERS);
  send(call, body);
}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(OK_TRAILERS);
}

function send(call: FastCall, bytes: Uint8Array): void {
  call.session.unsentBytes += bytes.byteLength;
  call.unsentBytes = bytes.byteLength;
  call.stream.end(bytes);
}

/** Status and headers. The plain one is shared by all calls, and nobody may write into it. */
function headOf(call: FastCall, status: string, contentType: string): readonly string[];
function headOf(call: FastCall, status: string, contentType: string, isCompressed: boolean): string[];
function headOf(
  { format, agreed, context, traceId }: FastCall,
  status: string,
  contentType: string,
  isCompressed?: boolean,
): readonly string[] {
  const { header } = context;
  const isGrpc = isCompressed === undefined;
  if (isGrpc && header === undefined && agreed.response === null && traceId === undefined) {
    return format.head;
  }
  const head = [':status', status];
  if (header === undefined) {
    head.push('content-type', contentType);
  } else {
    if (!isGrpc || !header.has('content-type')) {
      header.set('content-type', contentType);
    }
    push(head, header);
  }
  if (agreed.response !== null && isCompressed !== false) {
    head.push(isGrpc ? 'grpc-encoding' : 'content-encoding', agreed.response.name);
  }
  if (traceId !== undefined) {
    head.push('x-weft-trace-id', traceId);
  }
  return head;
}

function push(head: string[], headers: Headers): void {
  for (const [name, value] of headers) {
    if (!isForbidden(name)) {
      head.push(name, value);
    }
  }
}

function addTrailersAsHeaders(head: string[], trailer: Headers | undefined): void {
  for (const [name, value] of trailer ?? []) {
    head.push(`trailer-${name}`, value);
  }
}

function hasAny(headers: Headers): boolean {
  return !headers.keys().next().done;
}
