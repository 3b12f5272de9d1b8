/**
 * The limit: one client written by hand on node:http2's core API, with the same codec and nothing else. It encodes, sends
 * headers and one enveloped message, reads the answer, checks HTTP status, gRPC status and envelope, and decodes. It tells
 * the server its deadline and does not watch it itself; there are no limits, no retries, no reconnection, no typed errors.
 *
 * It does what is known to be cheap on Node 26: headers as a raw array made once, envelope and message in one buffer and one
 * write, one body chunk taken as it is, the answer settled by 'end' rather than the later 'close'.
 */

import { type ClientHttp2Session, connect } from 'node:http2';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { type BareCodec, bareCodec, ENVELOPE_BYTES } from '../bare-codec.ts';
import {
  BlobSchema,
  DEADLINE_MS,
  OrderService,
  PlaceOrderRequestSchema,
  PlaceOrderResponseSchema,
} from '../contract.ts';
import { type ClientCommands, type ClientOptions, clientCommands } from './drive.ts';

export async function start({ address, ourCodec = false }: ClientOptions): Promise<ClientCommands> {
  const session = connect(`http://${address}`);
  session.on('error', () => {});
  const headersOf = (rpc: string): string[] => [
    ...[':method', 'POST', ':scheme', 'http', ':authority', address, ':path', `/${OrderService.typeName}/${rpc}`],
    ...['te', 'trailers', 'content-type', 'application/grpc+proto', 'grpc-timeout', `${DEADLINE_MS}m`],
  ];
  const placeOrderHeaders = headersOf('PlaceOrder');
  const echoBlobHeaders = headersOf('EchoBlob');
  const watchOrderHeaders = headersOf('WatchOrder');
  const order = bareCodec(PlaceOrderRequestSchema, ourCodec);
  const placed = bareCodec(PlaceOrderResponseSchema, ourCodec);
  const blob = bareCodec(BlobSchema, ourCodec);
  return clientCommands({
    placeOrder: (request) => unary(session, placeOrderHeaders, order.envelope(request), placed),
    echoBlob: (request) => unary(session, echoBlobHeaders, blob.envelope(request), blob),
    watchOrder: (request, each) =>
      serverStream(session, watchOrderHeaders, order.envelope(request), (bytes) => each(placed.decode(bytes))),
  });
}

function unary<O extends DescMessage>(
  session: ClientHttp2Session,
  headers: string[],
  request: Uint8Array,
  output: BareCodec<O>,
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    let httpStatus: number | undefined;
    let status: string | string[] | undefined;
    let first: Buffer | undefined;
    let more: Buffer[] | undefined;
    stream.on('response', (received) => {
      httpStatus = received[':status'];
      status = received['grpc-status'];
    });
    stream.on('trailers', (received) => {
      status = received['grpc-status'];
    });
    stream.on('data', (chunk: Buffer) => {
      if (first === undefined) {
        first = chunk;
      } else {
        more ??= [first];
        more.push(chunk);
      }
    });
    stream.on('end', () => {
      const body = more === undefined ? first : Buffer.concat(more);
      if (httpStatus !== 200 || status !== '0' || body === undefined) {
        reject(new Error(`HTTP ${httpStatus}, gRPC ${status}`));
      } else if (body[0] !== 0 || body.readUInt32BE(1) !== body.length - ENVELOPE_BYTES) {
        reject(new Error('the answer is not one message'));
      } else {
        resolve(output.decode(body.subarray(ENVELOPE_BYTES)));
      }
    });
    stream.on('error', reject);
    stream.end(request);
  });
}

function serverStream(
  session: ClientHttp2Session,
  headers: string[],
  request: Uint8Array,
  each: (message: Buffer) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    let status: string | string[] | undefined;
    let rest: Buffer | undefined;
    stream.on('trailers', (received) => {
      status = received['grpc-status'];
    });
    stream.on('data', (chunk: Buffer) => {
      const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      while (bytes.length - at >= ENVELOPE_BYTES) {
        const end = at + ENVELOPE_BYTES + bytes.readUInt32BE(at + 1);
        if (end > bytes.length) {
          break;
        }
        each(bytes.subarray(at + ENVELOPE_BYTES, end));
        at = end;
      }
      rest = at === bytes.length ? undefined : bytes.subarray(at);
    });
    stream.on('end', () => {
      if (status === '0') {
        resolve();
      } else {
        reject(new Error(`gRPC ${status}`));
      }
    });
    stream.on('error', reject);
    stream.end(request);
  });
}
