/**
 * An answer in the form in which answers are compared: what it says (status, message, details, messages), and how (headers,
 * trailers, frames).
 */

import { constants } from 'node:http2';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { fromBinary, fromJsonString } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { codeFromString } from '@connectrpc/connect/protocol-connect';
import { StatusSchema } from '../../src/errors/details.ts';
import { AnswerSchema } from './contract.ts';
import type { Dialect } from './dialect.ts';
import type { RawHeaders, WireAnswer } from './wire.ts';

/** Something that came with an error, by its type and its bytes. */
export type Detail = { readonly type: string; readonly value: string };

/** A message of an answer, and whether its envelope, or the answer's header, says that it is compressed. */
export type ObservedMessage = {
  readonly isCompressed: boolean;
  readonly text: string;
  readonly count: number;
  /** In base64; of a message that cannot be read, all of it. */
  readonly data: string;
};

/** What came back. */
export type Observed = {
  /** The name of the status; `OK`; undefined where the answer names none. */
  readonly status: string | undefined;
  readonly message: string;
  readonly details: readonly Detail[];
  readonly httpStatus: string | undefined;
  /** Sorted by name; values of one name in the order in which they came. */
  readonly headers: readonly string[];
  readonly trailers: readonly string[] | undefined;
  readonly endedByHeaders: boolean;
  readonly messages: readonly ObservedMessage[];
  /** A body that is none of the protocol's, as text. */
  readonly otherBody: string | undefined;
  readonly reset: string;
};

const ENVELOPE_HEAD_BYTES = 5;
const RESETS: ReadonlyMap<unknown, string> = new Map(
  Object.entries(constants)
    .filter(([name]) =>
      /^NGHTTP2_(NO_ERROR|\w+_ERROR|CANCEL|REFUSED_STREAM|ENHANCE_YOUR_CALM|STREAM_CLOSED)$/.test(name),
    )
    .map(([name, code]) => [code, name.replace('NGHTTP2_', '')]),
);

/** The first value of a header. */
export function headerIn(raw: RawHeaders | undefined, name: string): string | undefined {
  const at = raw?.findIndex((text, index) => index % 2 === 0 && text === name) ?? -1;
  return at < 0 ? undefined : raw?.[at + 1];
}

/** Reads an answer. */
export function observe({ isBinary, protocol }: Dialect, answer: WireAnswer): Observed {
  const httpStatus = headerIn(answer.headers, ':status');
  const how = {
    httpStatus,
    headers: lines(answer.headers) ?? [],
    trailers: lines(answer.trailers),
    endedByHeaders: answer.endedByHeaders,
    reset: RESETS.get(answer.rstCode) ?? String(answer.rstCode),
  };
  const type = headerIn(answer.headers, 'content-type') ?? '';
  if (type.startsWith('application/grpc') || headerIn(answer.trailers ?? answer.headers, 'grpc-status') !== undefined) {
    return { ...how, ...grpcStatus(answer), messages: grpcMessages(answer, isBinary), otherBody: undefined };
  }
  const encoding = headerIn(answer.headers, 'content-encoding');
  const body = decompress(answer.body, encoding);
  if (httpStatus === '200' && protocol === 'connect') {
    const messages = [observedMessage(body, isBinary, encoding !== undefined)];
    return { ...how, status: 'OK', message: '', details: [], messages, otherBody: undefined };
  }
  const isError = type === 'application/json' && body.byteLength > 0;
  return isError
    ? { ...how, ...connectError(body), messages: [], otherBody: undefined }
    : { ...how, status: undefined, message: '', details: [], messages: [], otherBody: body.toString() };
}

function lines(raw: RawHeaders | undefined): string[] | undefined {
  if (raw === undefined) {
    return undefined;
  }
  const result: { readonly name: string; readonly value: string }[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    result.push({ name: raw[index] ?? '', value: raw[index + 1] ?? '' });
  }
  // Array sorting is stable: values of one name stay in their order.
  return result
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .map(({ name, value }) => `${name}: ${value}`);
}

function grpcStatus({ headers, trailers }: WireAnswer): Pick<Observed, 'status' | 'message' | 'details'> {
  const raw = trailers ?? headers;
  const status = headerIn(raw, 'grpc-status');
  const details = headerIn(raw, 'grpc-status-details-bin');
  return {
    status: status === undefined ? undefined : statusName(Number(status)),
    message: decodeURIComponent(headerIn(raw, 'grpc-message') ?? ''),
    details:
      details === undefined
        ? []
        : fromBinary(StatusSchema, Buffer.from(details, 'base64')).details.map(({ typeUrl, value }) => ({
            type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1),
            value: Buffer.from(value).toString('base64'),
          })),
  };
}

function grpcMessages({ headers, body }: WireAnswer, isBinary: boolean): ObservedMessage[] {
  const encoding = headerIn(headers, 'grpc-encoding');
  const messages: ObservedMessage[] = [];
  let rest = body;
  while (rest.byteLength >= ENVELOPE_HEAD_BYTES) {
    const end = ENVELOPE_HEAD_BYTES + rest.readUInt32BE(1);
    const isCompressed = rest[0] === 1;
    const bytes = rest.subarray(ENVELOPE_HEAD_BYTES, end);
    messages.push(observedMessage(decompress(bytes, isCompressed ? encoding : undefined), isBinary, isCompressed));
    rest = rest.subarray(end);
  }
  return messages;
}

function observedMessage(bytes: Buffer, isBinary: boolean, isCompressed: boolean): ObservedMessage {
  try {
    const { text, count, data } = isBinary
      ? fromBinary(AnswerSchema, bytes)
      : fromJsonString(AnswerSchema, bytes.toString());
    return { isCompressed, text, count, data: Buffer.from(data).toString('base64') };
  } catch {
    return { isCompressed, text: 'not readable', count: 0, data: bytes.toString('base64') };
  }
}

function connectError(body: Buffer): Pick<Observed, 'status' | 'message' | 'details'> {
  const { code, message = '', details = [] } = JSON.parse(body.toString());
  return {
    status: statusName(codeFromString(code) ?? 0),
    message,
    details: details.map(({ type, value }: Detail) => ({
      type,
      value: Buffer.from(value, 'base64').toString('base64'),
    })),
  };
}

function statusName(code: number): string {
  return code === 0 ? 'OK' : (Code[code] ?? String(code));
}

function decompress(bytes: Buffer, encoding: string | undefined): Buffer {
  return encoding === 'gzip' ? gunzipSync(bytes) : encoding === 'br' ? brotliDecompressSync(bytes) : bytes;
}
