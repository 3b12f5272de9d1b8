/**
 * How the requests that the fast lane takes are written: gRPC and unary Connect of plain content types and known compressions. All else is
 * the adapter's.
 */

import type { IncomingHttpHeaders } from 'node:http2';
import { type Compression, compressionNegotiate } from '@connectrpc/connect/protocol';
import { COMPRESSIONS } from '../compressions.ts';

/** How a request is written, and how its answer will be. */
export type Format = {
  readonly protocol: 'grpc' | 'connect';
  readonly isBinary: boolean;
  /** Content type of the answer. */
  readonly contentType: string;
  /** The whole head of an answer that needs no other headers. */
  readonly head: readonly string[];
};

/** What was agreed on compressing; null: bytes as they are. */
export type Agreed = { readonly request: Compression | null; readonly response: Compression | null };

function format(protocol: Format['protocol'], isBinary: boolean, contentType: string): Format {
  return { protocol, isBinary, contentType, head: [':status', '200', 'content-type', contentType] };
}

const GRPC = format('grpc', true, 'application/grpc+proto');
const GRPC_JSON = format('grpc', false, 'application/grpc+json');
const CONNECT = format('connect', true, 'application/proto');
const CONNECT_JSON = format('connect', false, 'application/json');

const FORMATS: ReadonlyMap<string | undefined, Format> = new Map([
  ['application/grpc', GRPC],
  ['application/grpc+proto', GRPC],
  ['application/grpc+json', GRPC_JSON],
  ['application/proto', CONNECT],
  ['application/json', CONNECT_JSON],
  ['application/json; charset=utf-8', CONNECT_JSON],
]);

/** The format that a content type names; undefined for one that the fast lane does not know. */
export function formatOf(contentType: string | undefined): Format | undefined {
  return FORMATS.get(contentType);
}

/** The format of the `encoding` parameter of Connect's GET. */
export function formatOfGet(encoding: string | null): Format | undefined {
  return encoding === 'proto' ? CONNECT : encoding === 'json' ? CONNECT_JSON : undefined;
}

const PLAIN: Agreed = { request: null, response: null };
/** Headers are few in kind, and strangers choose them: what is known is forgotten when it is more than this. */
const AGREEMENTS_MAX = 64;
const agreements = new Map<string, Agreed | undefined>();

/** What a request's headers agree to on compressing; undefined for a compression that is not known here. */
export function agree(
  protocol: Format['protocol'],
  headers: IncomingHttpHeaders,
  encoding: string | undefined,
): Agreed | undefined {
  const accepted = headers[protocol === 'grpc' ? 'grpc-accept-encoding' : 'accept-encoding'];
  if (encoding === undefined && accepted === undefined) {
    return PLAIN;
  }
  // An empty header is not the same as none.
  const key = `${encoding === undefined ? '' : `=${encoding}`}\n${accepted === undefined ? '' : `=${accepted}`}`;
  const known = agreements.get(key);
  if (known !== undefined || agreements.has(key)) {
    return known;
  }
  const { request, response, error } = compressionNegotiate(
    [...COMPRESSIONS],
    encoding ?? null,
    accepted === undefined ? null : String(accepted),
    protocol === 'grpc' ? 'grpc-accept-encoding' : 'accept-encoding',
  );
  const agreed = error === undefined ? { request, response } : undefined;
  if (agreements.size >= AGREEMENTS_MAX) {
    agreements.clear();
  }
  agreements.set(key, agreed);
  return agreed;
}
