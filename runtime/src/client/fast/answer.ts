/**
 * What a unary call on the fast lane was answered with: a message, or the error that the answer amounts to. What is plain is looked at
 * here; all else is left to Connect's own functions, so that both lanes find the same.
 */

import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2';
import type { DescMessage, DescMethodUnary, DescService, MessageShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type UnaryResponse } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import {
  errorFromJsonBytes,
  trailerDemux,
  validateResponseWithCompression,
} from '@connectrpc/connect/protocol-connect';
import {
  validateResponseWithCompression as validateGrpcResponse,
  validateTrailer,
} from '@connectrpc/connect/protocol-grpc';
import { envelopeBytes, messageOf } from '../../wire/envelope.ts';
import { webHeaders } from '../../wire/web-headers.ts';
import { mendStatusMessage } from '../status-message.ts';
import type { ClientMethod } from './client-method.ts';

/** The headers of an answer. */
export type AnswerHeaders = IncomingHttpHeaders & IncomingHttpStatusHeader;

const NO_HEADERS: IncomingHttpHeaders = {};

/** The bytes of an answer, and what was agreed on compressing them. */
export type AnswerBody = { readonly bytes: Uint8Array; readonly compression: Compression | undefined };

/** A unary answer, whose headers are made when they are looked at. */
export class FastResponse implements UnaryResponse {
  readonly stream = false;
  readonly method: DescMethodUnary;
  readonly message: MessageShape<DescMessage>;
  readonly #headers: IncomingHttpHeaders;
  readonly #trailers: IncomingHttpHeaders | undefined;
  #web: readonly [Headers, Headers] | undefined;

  /** @param trailers undefined for Connect, whose trailers are among the headers. */
  constructor(
    method: DescMethodUnary,
    message: MessageShape<DescMessage>,
    headers: IncomingHttpHeaders,
    trailers: IncomingHttpHeaders | undefined,
  ) {
    this.method = method;
    this.message = message;
    this.#headers = headers;
    this.#trailers = trailers;
  }

  get service(): DescService {
    return this.method.parent;
  }

  get header(): Headers {
    return this.#both()[0];
  }

  get trailer(): Headers {
    return this.#both()[1];
  }

  #both(): readonly [Headers, Headers] {
    this.#web ??=
      this.#trailers === undefined
        ? trailerDemux(webHeaders(this.#headers))
        : [webHeaders(this.#headers), webHeaders(this.#trailers)];
    return this.#web;
  }
}

/** The compression of a body; undefined: none. */
type Compressions = readonly Compression[];

/**
 * Reads a gRPC answer.
 *
 * @returns the message's bytes.
 * @throws ConnectError that the answer tells, or amounts to.
 */
export function grpcBody(
  headers: AnswerHeaders,
  trailers: IncomingHttpHeaders = NO_HEADERS,
  body: Uint8Array,
  accepted: Compressions,
): AnswerBody {
  const type = headers['content-type'];
  const isPlain =
    headers[':status'] === 200 &&
    (type === 'application/grpc+proto' || type === 'application/grpc') &&
    headers['grpc-status'] === undefined &&
    headers['grpc-encoding'] === undefined &&
    trailers['grpc-status'] === '0' &&
    trailers['grpc-status-details-bin'] === undefined;
  let compression: Compression | undefined;
  if (!isPlain) {
    mendStatusMessage(headers);
    mendStatusMessage(trailers);
    const header = webHeaders(headers);
    const trailer = webHeaders(trailers);
    const found = validateGrpcResponse([...accepted], Number(headers[':status']), header);
    validateTrailer(trailer, header);
    if (found.headerError !== undefined) {
      throw body.byteLength === 0
        ? found.headerError
        : new ConnectError('protocol error: received output message for unary method with error status', Code.Unknown);
    }
    compression = found.compression;
  }
  const message = messageOf(body, compression !== undefined);
  if (message === undefined) {
    throw noSingleMessage(body, trailers['grpc-status'] !== undefined);
  }
  return { bytes: message.bytes, compression: message.isCompressed ? compression : undefined };
}

function noSingleMessage(body: Uint8Array, hasTrailerStatus: boolean): ConnectError {
  if (body.byteLength === 0) {
    const code = hasTrailerStatus ? Code.Unimplemented : Code.Unknown;
    return new ConnectError('protocol error: missing output message for unary method', code);
  }
  const announced = envelopeBytes([body]);
  const second = body.subarray(announced);
  const isSecondWhole =
    second.byteLength > 0 && envelopeBytes([second]) > 0 && envelopeBytes([second]) <= second.length;
  if (announced === 0 || announced > body.byteLength || (second.byteLength > 0 && !isSecondWhole)) {
    return new ConnectError('protocol error: incomplete envelope', Code.Internal);
  }
  if (isSecondWhole) {
    return new ConnectError('protocol error: received extra output message for unary method', Code.Unimplemented);
  }
  return new ConnectError(
    'protocol error: received compressed envelope, but do not know how to decompress',
    Code.Internal,
  );
}

/**
 * Reads a Connect answer.
 *
 * @returns the message's bytes, or, with `error`, those of an error in JSON: what to throw when they are none.
 * @throws ConnectError that the answer amounts to.
 */
export function connectBody(
  { contentType, method }: ClientMethod,
  headers: AnswerHeaders,
  body: Uint8Array,
  accepted: Compressions,
): AnswerBody & { readonly error: ConnectError | undefined } {
  const isPlain =
    headers[':status'] === 200 && headers['content-type'] === contentType && headers['content-encoding'] === undefined;
  if (isPlain) {
    return { bytes: body, compression: undefined, error: undefined };
  }
  const isBinary = contentType === 'application/proto';
  const status = Number(headers[':status']);
  const found = validateResponseWithCompression(
    method.methodKind,
    [...accepted],
    isBinary,
    status,
    webHeaders(headers),
  );
  return { bytes: body, compression: found.compression, error: found.isUnaryError ? found.unaryError : undefined };
}

/** The error that a Connect answer tells in JSON. */
export function connectError(bytes: Uint8Array, headers: IncomingHttpHeaders, fallback: ConnectError): ConnectError {
  const [header, trailer] = trailerDemux(webHeaders(headers));
  trailer.forEach((value, name) => {
    header.append(name, value);
  });
  try {
    return errorFromJsonBytes(bytes as Uint8Array<ArrayBuffer>, header, fallback);
  } catch (error) {
    return error instanceof ConnectError ? error : fallback;
  }
}
