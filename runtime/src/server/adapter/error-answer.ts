/**
 * Errors that no handler raises: a path that is not served, and what Connect itself finds wrong with a request before an
 * interceptor runs. They get a reason here, in the protocol of who asks.
 */

import type { IncomingHttpHeaders } from 'node:http2';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { ConnectError } from '@connectrpc/connect';
import { encodeEnvelope, type UniversalServerResponse } from '@connectrpc/connect/protocol';
import {
  codeToHttpStatus,
  createEndStreamSerialization,
  endStreamFlag,
  errorFromJsonBytes,
  errorToJsonBytes,
} from '@connectrpc/connect/protocol-connect';
import { findTrailerError, setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { createTrailerSerialization, trailerFlag } from '@connectrpc/connect/protocol-grpc-web';
import { fail } from '../../errors/fail.ts';
import { outgoingError } from '../../errors/outgoing.ts';
import { ENVELOPE_HEAD_BYTES } from '../../wire/envelope.ts';

const OK = 200;
const PATH_MAX_CHARACTERS = 200;

const webTrailers = createTrailerSerialization();
const connectEnd = createEndStreamSerialization(undefined);

/** The error for a path that no served RPC has. */
export function unknownRpc(headers: IncomingHttpHeaders): ConnectError {
  const [path = ''] = String(headers[':path']).split('?');
  return fail('UNKNOWN_RPC', undefined, { path: path.slice(0, PATH_MAX_CHARACTERS) });
}

/**
 * An error as a whole answer, in the protocol that the request's content type names; Connect's JSON for any other.
 *
 * @param status the HTTP status that goes with Connect's JSON; default: that of the error's code.
 */
export function errorAnswer(
  contentType: string | undefined,
  error: ConnectError,
  status = codeToHttpStatus(error.code),
): UniversalServerResponse {
  const type = contentType ?? '';
  if (type.startsWith('application/grpc-web')) {
    const trailer = webTrailers.serialize(setTrailerStatus(new Headers(), error));
    return answer(OK, type, encodeEnvelope(trailerFlag, trailer));
  }
  if (type.startsWith('application/grpc')) {
    const header = new Headers({ 'content-type': type });
    return { status: OK, header, trailer: setTrailerStatus(new Headers(), error) };
  }
  if (type.startsWith('application/connect+')) {
    const end = connectEnd.serialize({ metadata: new Headers(), error });
    return answer(OK, type, encodeEnvelope(endStreamFlag, end));
  }
  return answer(status, 'application/json', errorToJsonBytes(error, undefined));
}

/** An answer that is nothing but an error. */
export type TypedAnswer = { readonly error: ConnectError; readonly response: UniversalServerResponse };

/**
 * Gives a reason to the error of an answer that has none. Only an answer that is nothing but an error can need it: messages
 * come after the interceptors.
 *
 * @param first the first chunk of the answer's body, undefined when it has none.
 * @returns the answer to send instead and the error that it tells, or undefined when this one is fine.
 */
export function withReason(response: UniversalServerResponse, first: Uint8Array | undefined): TypedAnswer | undefined {
  const type = response.header?.get('content-type') ?? '';
  if (type.startsWith('application/grpc-web')) {
    if (first?.[0] !== trailerFlag) {
      return undefined;
    }
    return retyped(type, findTrailerError(webTrailers.parse(first.subarray(ENVELOPE_HEAD_BYTES))));
  }
  if (type.startsWith('application/grpc')) {
    return first === undefined && response.trailer !== undefined
      ? retyped(type, findTrailerError(response.trailer))
      : undefined;
  }
  if (response.status !== OK && type === 'application/json' && first !== undefined) {
    const body = decompressed(first, response.header?.get('content-encoding') ?? null);
    return retyped(type, errorFromJsonBytes(body, undefined, UNREADABLE));
  }
  return undefined;
}

/** Our own answer, which is short where it has no details. */
function decompressed(body: Uint8Array, encoding: string | null): Uint8Array {
  return encoding === 'gzip' ? gunzipSync(body) : encoding === 'br' ? brotliDecompressSync(body) : body;
}

/** Thrown for a body that is no error; Connect writes none such. */
const UNREADABLE = new ConnectError('not an error in JSON');

function retyped(contentType: string, error: ConnectError | undefined): TypedAnswer | undefined {
  if (error === undefined || error.details.length > 0) {
    return undefined;
  }
  // It was read back from our own answer, but it was made by this process, not by a callee.
  error.isWireError = false;
  const typed = outgoingError(error);
  // A status that only handlers raise has no reason of its own, and is fine as it is.
  return typed === error ? undefined : { error: typed, response: errorAnswer(contentType, typed) };
}

function answer(status: number, contentType: string, body: Uint8Array): UniversalServerResponse {
  const header = new Headers({ 'content-type': contentType, 'content-length': String(body.byteLength) });
  return { status, header, body: once(body) };
}

async function* once(body: Uint8Array) {
  yield body;
}
