/**
 * Whether an answer is one that a protocol knows: whatever was asked, the stream ends with a whole answer of gRPC or Connect, or with
 * an error of HTTP/2. What an answer of status OK holds is compared with what was sent.
 */

import { fromBinary, fromJsonString } from '@bufbuild/protobuf';
import { codeFromString, codeToHttpStatus } from '@connectrpc/connect/protocol-connect';
import { AnswerSchema } from '../lanes/contract.ts';
import type { FrameAnswer, Header } from './frames.ts';

const ENVELOPE_HEAD_BYTES = 5;
const CODE_MAX = 16;
/** What plain HTTP says of a request that is no RPC: no such path, no such verb, no such type. */
const PLAIN_STATUSES = new Set(['404', '405', '415']);

/** What an answer says, in any protocol. */
export type Said =
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  | { readonly kind: 'ok'; readonly text: string; readonly count: number; readonly data: string }
  | { readonly kind: 'http'; readonly status: string }
  /** The stream or the connection was ended. */
  | { readonly kind: 'cut'; readonly how: string };

/** The value of a header. */
export function find(headers: readonly Header[] | undefined, name: string): string | undefined {
  return headers?.find(([known]) => known === name)?.[1];
}

/**
 * What an answer says.
 *
 * @throws Error for one that is no answer of its protocol.
 */
export function said(answer: FrameAnswer): Said {
  const { headers, trailers, body, end } = answer;
  if (end !== 'ended') {
    return { kind: 'cut', how: end };
  }
  const status = find(headers, ':status') ?? '';
  const type = find(headers, 'content-type') ?? '';
  if (type.startsWith('application/grpc') && !type.startsWith('application/grpc-web')) {
    return saidByGrpc(headers, trailers, body);
  }
  if (status === '200' && (type === 'application/proto' || type === 'application/json')) {
    return ok(
      type === 'application/proto' ? fromBinary(AnswerSchema, body) : fromJsonString(AnswerSchema, body.toString()),
    );
  }
  if (type === 'application/json') {
    const { code: name, message = '' } = JSON.parse(body.toString());
    const code = codeFromString(name);
    if (code === undefined || (status !== String(codeToHttpStatus(code)) && status !== '404')) {
      throw new Error(`HTTP status ${status} goes with no "${name}"`);
    }
    return { kind: 'error', code, message };
  }
  if (!PLAIN_STATUSES.has(status) || body.length > 0) {
    throw new Error(`no answer: HTTP status ${status}, type "${type}", ${body.length} bytes`);
  }
  return { kind: 'http', status };
}

function saidByGrpc(headers: readonly Header[], trailers: readonly Header[] | undefined, body: Buffer): Said {
  const last = trailers ?? headers;
  const code = Number(find(last, 'grpc-status') ?? Number.NaN);
  if (find(headers, ':status') !== '200' || !Number.isInteger(code) || code < 0 || code > CODE_MAX) {
    throw new Error(`no status of gRPC: ${JSON.stringify([headers, trailers])}`);
  }
  if (code !== 0) {
    if (body.length > 0) {
      throw new Error(`a message comes with status ${code}`);
    }
    return { kind: 'error', code, message: decodeURIComponent(find(last, 'grpc-message') ?? '') };
  }
  if (
    body.length < ENVELOPE_HEAD_BYTES ||
    body.length !== ENVELOPE_HEAD_BYTES + body.readUInt32BE(1) ||
    body[0] !== 0
  ) {
    throw new Error(`status OK comes with ${body.length} bytes, which are not one message`);
  }
  return ok(fromBinary(AnswerSchema, body.subarray(ENVELOPE_HEAD_BYTES)));
}

function ok({ text, count, data }: { text: string; count: number; data: Uint8Array }): Said {
  return { kind: 'ok', text, count, data: Buffer.from(data).toString('base64') };
}
