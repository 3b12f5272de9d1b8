/**
 * The ways in which one question can be asked of a server, and the request that each makes of it.
 */

import type { OutgoingHttpHeaders } from 'node:http2';
import { create, type MessageInitShape, toBinary, toJsonString } from '@bufbuild/protobuf';
import { base64Encode } from '@bufbuild/protobuf/wire';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { QuestionSchema } from './contract.ts';

/** A protocol, a codec, and a verb. */
export type Dialect = {
  readonly name: string;
  readonly protocol: 'grpc' | 'connect';
  readonly isBinary: boolean;
  readonly isGet: boolean;
  readonly contentType: string;
};

/** A request, down to what goes over the wire. */
export type WireRequest = {
  readonly headers: OutgoingHttpHeaders;
  /** Each goes in DATA frames of its own; none: HEADERS end the stream. */
  readonly body: readonly Uint8Array[];
};

export const GRPC: Dialect = {
  name: 'gRPC',
  protocol: 'grpc',
  isBinary: true,
  isGet: false,
  contentType: 'application/grpc',
};
export const GRPC_JSON: Dialect = {
  ...GRPC,
  name: 'gRPC in JSON',
  isBinary: false,
  contentType: 'application/grpc+json',
};
export const CONNECT: Dialect = {
  name: 'Connect',
  protocol: 'connect',
  isBinary: true,
  isGet: false,
  contentType: 'application/proto',
};
export const CONNECT_JSON: Dialect = {
  ...CONNECT,
  name: 'Connect in JSON',
  isBinary: false,
  contentType: 'application/json',
};
export const GET: Dialect = { ...CONNECT, name: 'Connect by GET', isGet: true };
export const GET_JSON: Dialect = { ...CONNECT_JSON, name: 'Connect by GET in JSON', isGet: true };

export const DIALECTS: readonly Dialect[] = [GRPC, GRPC_JSON, CONNECT, CONNECT_JSON, GET, GET_JSON];

export const ASK = '/weft.test.v1.LanesService/Ask';
export const WATCH = '/weft.test.v1.LanesService/Watch';
export const LOOK = '/weft.test.v1.LanesService/Look';

/** The bytes of a question in a dialect's codec, without an envelope. */
export function questionBytes({ isBinary }: Dialect, question: MessageInitShape<typeof QuestionSchema>): Uint8Array {
  const message = create(QuestionSchema, question);
  return isBinary ? toBinary(QuestionSchema, message) : Buffer.from(toJsonString(QuestionSchema, message));
}

/** The path of a GET. */
export function getPath(parameters: Readonly<Record<string, string>>, path = LOOK): string {
  return `${path}?${new URLSearchParams(parameters)}`;
}

/** A question as a well-behaved client asks it. */
export function wireRequest(dialect: Dialect, question: MessageInitShape<typeof QuestionSchema> = {}): WireRequest {
  const bytes = questionBytes(dialect, question);
  if (dialect.isGet) {
    const message = dialect.isBinary
      ? { message: base64Encode(bytes, 'url'), base64: '1', encoding: 'proto' }
      : { message: Buffer.from(bytes).toString(), encoding: 'json' };
    return { headers: { ':method': 'GET', ':path': getPath({ connect: 'v1', ...message }) }, body: [] };
  }
  const headers: OutgoingHttpHeaders = { ':method': 'POST', ':path': ASK, 'content-type': dialect.contentType };
  return dialect.protocol === 'grpc'
    ? { headers: { ...headers, te: 'trailers' }, body: [encodeEnvelope(0, bytes)] }
    : { headers: { ...headers, 'connect-protocol-version': '1' }, body: [bytes] };
}

/** The header by which a dialect says how long its caller waits. */
export function timeoutHeader({ protocol }: Dialect, ms: number): OutgoingHttpHeaders {
  return protocol === 'grpc' ? { 'grpc-timeout': `${ms}m` } : { 'connect-timeout-ms': String(ms) };
}

/** Bytes as the body of a request: in an envelope, where the dialect has such. */
export function framed({ protocol }: Dialect, bytes: Uint8Array, flags = 0): Uint8Array[] {
  return [protocol === 'grpc' ? encodeEnvelope(flags, bytes) : bytes];
}
