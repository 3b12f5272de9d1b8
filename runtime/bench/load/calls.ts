/**
 * The calls that the load makes, ready to be sent: bodies are encoded and the answers to expect are known before the clock
 * starts, so that the load costs as little as it can and still believes no answer unseen.
 */

import { equals, fromBinary, fromJsonString, toBinary, toJsonString } from '@bufbuild/protobuf';
import {
  BlobSchema,
  CheckedOrderService,
  DEADLINE_MS,
  OrderService,
  PlaceOrderRequestSchema,
  PlaceOrderResponseSchema,
} from '../contract.ts';
import { acceptedMessage, blobs, ORDERS, orderRequests, WATCHED_ORDERS } from '../orders.ts';

const ENVELOPE_BYTES = 5;
const HEADER_VARIATIONS = 61;
const TRACE_ID = 0x0af7651916cd43dd8448eb211c80319cn;

export type Protocol = 'grpc' | 'connect-json';

/** What to call, and how. */
export type Call = {
  readonly protocol: Protocol;
  readonly rpc: 'PlaceOrder' | 'RefuseOrder' | 'HoldOrder' | 'WatchOrder' | 'EchoBlob';
  /** Whether the contract with rules is called. */
  readonly checked?: boolean;
  /** Whether each call carries a deadline; default yes. */
  readonly deadline?: boolean;
  /** Whether each call carries a trace context, and whether that says the trace is sampled. */
  readonly trace?: 'sampled' | 'not sampled';
  /** EchoBlob: bytes a message. */
  readonly blobBytes?: number;
  /** WatchOrder: messages a stream. */
  readonly updates?: number;
  /** The gRPC status that is right; default 0. */
  readonly status?: number;
};

/** A call as bytes. */
export type PreparedCall = {
  /** Names and values, in as many variations as there are of what differs from call to call. */
  readonly headers: readonly (readonly string[])[];
  readonly bodies: readonly Buffer[];
  /** The right answer to each, message by message, enveloped where the protocol has envelopes. */
  readonly answers: readonly (readonly Buffer[])[];
  /** The length that the body of each answer must have. */
  readonly answerBytes: readonly number[];
  /** Compares a whole answer. */
  isRight(index: number, answer: Buffer): boolean;
};

export function prepare(call: Call, authority: string): PreparedCall {
  const service = call.checked === true ? CheckedOrderService : OrderService;
  const messages = call.rpc === 'EchoBlob' ? blobMessages(call.blobBytes ?? 0) : orders(call);
  const headers = Array.from({ length: HEADER_VARIATIONS }, (_, variation) => [
    ...[':method', 'POST', ':scheme', 'http', ':authority', authority, ':path', `/${service.typeName}/${call.rpc}`],
    ...(call.protocol === 'grpc'
      ? ['te', 'trailers', 'content-type', 'application/grpc+proto', 'user-agent', 'weft-bench']
      : ['content-type', 'application/json', 'user-agent', 'weft-bench', 'connect-protocol-version', '1']),
    ...changingHeaders(call, variation),
  ]);
  return { headers, ...(call.protocol === 'grpc' ? inGrpc(messages, call) : inJson(messages)) };
}

/** What differs from call to call: less is left of a caller's deadline each time, and each has a trace of its own. */
function changingHeaders({ protocol, deadline, trace }: Call, variation: number): string[] {
  const headers: string[] = [];
  const timeoutMs = DEADLINE_MS - variation;
  if (deadline !== false) {
    headers.push(...(protocol === 'grpc' ? ['grpc-timeout', `${timeoutMs}m`] : ['connect-timeout-ms', `${timeoutMs}`]));
  }
  if (trace !== undefined) {
    const traceId = (TRACE_ID + BigInt(variation)).toString(16).padStart(32, '0');
    headers.push('traceparent', `00-${traceId}-b7ad6b7169203331-${trace === 'sampled' ? '01' : '00'}`);
  }
  return headers;
}

/** Encodes and compares the messages of one RPC. */
type Messages = {
  readonly requests: readonly Uint8Array[];
  readonly requestsJson: readonly string[];
  /** Each answer's messages. */
  readonly answers: readonly (readonly Uint8Array[])[];
  isRight(index: number, position: number, message: Uint8Array): boolean;
  isRightJson(index: number, text: string): boolean;
  readonly answersJson: readonly string[];
};

function orders({ updates, rpc }: Call): Messages {
  const requests = orderRequests(rpc === 'WatchOrder' ? WATCHED_ORDERS : ORDERS);
  for (const request of requests) {
    request.updates = updates ?? 0;
  }
  const positions = Array.from({ length: rpc === 'WatchOrder' ? (updates ?? 0) : 1 }, (_, position) => position);
  const answers = requests.map((request) => positions.map((position) => acceptedMessage(request, position)));
  return {
    requests: requests.map((request) => toBinary(PlaceOrderRequestSchema, request)),
    requestsJson: requests.map((request) => toJsonString(PlaceOrderRequestSchema, request)),
    answers: answers.map((all) => all.map((answer) => toBinary(PlaceOrderResponseSchema, answer))),
    answersJson: answers.map(([answer]) =>
      answer === undefined ? '' : toJsonString(PlaceOrderResponseSchema, answer),
    ),
    isRight(index, position, message) {
      const wanted = answers[index]?.[position];
      const got = fromBinary(PlaceOrderResponseSchema, message);
      return wanted !== undefined && equals(PlaceOrderResponseSchema, wanted, got);
    },
    isRightJson(index, answer) {
      const wanted = answers[index]?.[0];
      const got = fromJsonString(PlaceOrderResponseSchema, answer);
      return wanted !== undefined && equals(PlaceOrderResponseSchema, wanted, got);
    },
  };
}

function blobMessages(bytes: number): Messages {
  const all = blobs(bytes);
  const encoded = all.map((blob) => toBinary(BlobSchema, blob));
  const json = all.map((blob) => toJsonString(BlobSchema, blob));
  return {
    requests: encoded,
    requestsJson: json,
    answers: encoded.map((message) => [message]),
    answersJson: json,
    isRight: (index, _, message) => Buffer.compare(message, encoded[index] ?? new Uint8Array()) === 0,
    isRightJson: (index, answer) => answer === json[index],
  };
}

function inGrpc(messages: Messages, call: Call): Omit<PreparedCall, 'headers'> {
  const refused = (call.status ?? 0) !== 0;
  return {
    bodies: messages.requests.map(enveloped),
    answers: messages.answers.map((all) => all.map(enveloped)),
    answerBytes: messages.answers.map((all) =>
      refused ? 0 : all.reduce((sum, { length }) => sum + ENVELOPE_BYTES + length, 0),
    ),
    isRight(index, answer) {
      let at = 0;
      let position = 0;
      while (at < answer.length) {
        const end = at + ENVELOPE_BYTES + answer.readUInt32BE(at + 1);
        if (answer[at] !== 0 || !messages.isRight(index, position, answer.subarray(at + ENVELOPE_BYTES, end))) {
          return false;
        }
        at = end;
        position += 1;
      }
      return position === (refused ? 0 : messages.answers[index]?.length);
    },
  };
}

function inJson(messages: Messages): Omit<PreparedCall, 'headers'> {
  return {
    bodies: messages.requestsJson.map((text) => Buffer.from(text)),
    answers: messages.answersJson.map((text) => [Buffer.from(text)]),
    answerBytes: messages.answersJson.map((text) => Buffer.byteLength(text)),
    isRight: (index, answer) => messages.isRightJson(index, answer.toString()),
  };
}

function enveloped(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(ENVELOPE_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, ENVELOPE_BYTES);
  return frame;
}
