/**
 * The limit: what is left when a competent engineer writes one service by hand on node:http2's core API, with the same codec
 * and nothing else. It reads the whole body, checks the envelope, decodes, makes the answer, encodes, and sends headers,
 * message and trailers. There is no deadline, no limit, no validation, no compression, no error but 13.
 *
 * It does what is known to be cheap on Node 26: 'stream' events instead of the compatibility API, one body chunk taken as it
 * is, headers as raw arrays made once, no `date` header, envelope and message in one buffer and one write.
 */

import { createServer, type ServerHttp2Stream } from 'node:http2';
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { type BareCodec, bareCodec, ENVELOPE_BYTES } from '../bare-codec.ts';
import {
  BlobSchema,
  OrderService,
  type PlaceOrderRequest,
  PlaceOrderRequestSchema,
  PlaceOrderResponseSchema,
} from '../contract.ts';
import { accepted } from '../orders.ts';
import { listenAnywhere, type ServerCommands, type ServerOptions } from './handlers.ts';

const GRPC_HEADERS = [':status', '200', 'content-type', 'application/grpc+proto'];
const OK_TRAILERS = { 'grpc-status': '0' };
const INTERNAL_TRAILERS = { 'grpc-status': '13' };

type Answer = (stream: ServerHttp2Stream, body: Buffer) => void;

export async function start({ ourCodec = false }: ServerOptions): Promise<ServerCommands> {
  const path = `/${OrderService.typeName}`;
  const codec = <Desc extends DescMessage>(desc: Desc) => bareCodec(desc, ourCodec);
  const placeOrder = { input: codec(PlaceOrderRequestSchema), output: codec(PlaceOrderResponseSchema) };
  const answers = (request: PlaceOrderRequest) => create(PlaceOrderResponseSchema, accepted(request));
  const grpc = new Map<string, Answer>([
    [`${path}/PlaceOrder`, grpcUnary(placeOrder.input, placeOrder.output, answers)],
    [`${path}/EchoBlob`, grpcUnary(codec(BlobSchema), codec(BlobSchema), (request) => request)],
    [`${path}/WatchOrder`, (stream, body) => watchOrder(stream, body, placeOrder)],
    [`${path}/HoldOrder`, () => {}],
  ]);
  const json = jsonUnary(placeOrder.input, placeOrder.output, answers);
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const isJson = headers['content-type'] === 'application/json';
    const answer = isJson ? json : grpc.get(headers[':path'] ?? '');
    if (answer === undefined) {
      stream.respond([':status', '404'], { endStream: true });
      return;
    }
    stream.on('error', () => {});
    let first: Buffer | undefined;
    let more: Buffer[] | undefined;
    stream.on('data', (chunk: Buffer) => {
      if (first === undefined) {
        first = chunk;
      } else {
        more ??= [first];
        more.push(chunk);
      }
    });
    stream.on('end', () => answer(stream, more === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(more)));
  });
  const address = await listenAnywhere(server);
  return { address: () => address };
}

function grpcUnary<I extends DescMessage, O extends DescMessage>(
  input: BareCodec<I>,
  output: BareCodec<O>,
  handle: (request: MessageShape<I>) => MessageShape<O>,
): Answer {
  return (stream, body) => {
    const message = messageIn(body);
    stream.respond(GRPC_HEADERS, { waitForTrailers: true });
    if (message === undefined) {
      stream.on('wantTrailers', () => stream.sendTrailers(INTERNAL_TRAILERS));
      stream.end();
      return;
    }
    stream.on('wantTrailers', () => stream.sendTrailers(OK_TRAILERS));
    stream.end(output.envelope(handle(input.decode(message))));
  };
}

function jsonUnary<I extends DescMessage, O extends DescMessage>(
  input: BareCodec<I>,
  output: BareCodec<O>,
  handle: (request: MessageShape<I>) => MessageShape<O>,
): Answer {
  return (stream, body) => {
    const answer = output.encodeJson(handle(input.decodeJson(body)));
    stream.respond([':status', '200', 'content-type', 'application/json', 'content-length', String(answer.length)]);
    stream.end(answer);
  };
}

type PlaceOrder = {
  readonly input: BareCodec<typeof PlaceOrderRequestSchema>;
  readonly output: BareCodec<typeof PlaceOrderResponseSchema>;
};

function watchOrder(stream: ServerHttp2Stream, body: Buffer, { input, output }: PlaceOrder): void {
  const message = messageIn(body);
  if (message === undefined) {
    stream.close();
    return;
  }
  const request = input.decode(message);
  stream.respond(GRPC_HEADERS, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(OK_TRAILERS));
  let sequence = 0;
  const write = (): void => {
    while (sequence < request.updates) {
      const update = create(PlaceOrderResponseSchema, accepted(request, sequence));
      sequence += 1;
      if (!stream.write(output.envelope(update))) {
        stream.once('drain', write);
        return;
      }
    }
    stream.end();
  };
  write();
}

/** The one message of a body; undefined when that is not what it holds. */
function messageIn(body: Buffer): Buffer | undefined {
  const isWhole =
    body.length >= ENVELOPE_BYTES && body[0] === 0 && body.readUInt32BE(1) === body.length - ENVELOPE_BYTES;
  return isWhole ? body.subarray(ENVELOPE_BYTES) : undefined;
}
