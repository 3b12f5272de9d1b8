/**
 * What is called: a server that answers as a case says, and clients of both lanes and both protocols, whose calls must come to the same.
 */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError } from '@connectrpc/connect';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { closeEgress } from '../../src/client/egress.ts';
import { AnswerSchema, LanesService, QuestionSchema } from '../lanes/contract.ts';
import { type Answerer, type Asked, FrameServer } from './frame-server.ts';
import type { Header } from './frames.ts';
import { soon } from './subject.ts';

export const GRPC: readonly Header[] = [
  [':status', '200'],
  ['content-type', 'application/grpc+proto'],
];
export const CONNECT: readonly Header[] = [
  [':status', '200'],
  ['content-type', 'application/proto'],
];
export const OK: readonly Header[] = [['grpc-status', '0']];
export const ENVELOPE_HEAD_BYTES = 5;

type Protocol = 'grpc' | 'connect';
type Clients = Readonly<Record<'fast' | 'adapter', Client<typeof LanesService>>>;

export let server: FrameServer;
export let clients: Readonly<Record<Protocol, Clients>>;

/** Starts both before the tests of a file, and after each has a server that behaves again believed. */
export function useClients(): void {
  beforeAll(async () => {
    server = await FrameServer.listen();
    const make = (protocol: Protocol, fastLane: boolean) =>
      connect(LanesService, {
        egress: server.address,
        protocol,
        fastLane,
        readMaxBytes: 65_536,
        acceptCompression: ['gzip'],
      });
    const both = (protocol: Protocol) => ({ fast: make(protocol, true), adapter: make(protocol, false) });
    clients = { grpc: both('grpc'), connect: both('connect') };
  });
  beforeEach(() => {
    server.greet = FrameServer.polite;
  });
  afterEach(async () => {
    server.greet = FrameServer.polite;
    server.answer = wellBehaved;
    server.cut();
    for (const protocol of ['grpc', 'connect'] as const) {
      for (const client of Object.values(clients[protocol])) {
        expect(await believed(client)).toBe('its own');
      }
    }
  });
  afterAll(async () => {
    closeEgress();
    await server.close();
  });
}

/** The answer that gives back the question. */
export function echoed(asked: Asked, isGrpc: boolean): Uint8Array {
  const { text } = fromBinary(QuestionSchema, isGrpc ? asked.body.subarray(ENVELOPE_HEAD_BYTES) : asked.body);
  return toBinary(AnswerSchema, create(AnswerSchema, { text }));
}

const isGrpcBody = ({ body }: Asked): boolean =>
  body.length >= ENVELOPE_HEAD_BYTES && body[0] === 0 && body.readUInt32BE(1) === body.length - ENVELOPE_HEAD_BYTES;

export const wellBehaved: Answerer = (asked) => {
  const isGrpc = isGrpcBody(asked);
  const bytes = echoed(asked, isGrpc);
  asked.headers(isGrpc ? GRPC : CONNECT);
  asked.data(isGrpc ? encodeEnvelope(0, bytes) : bytes, !isGrpc);
  if (isGrpc) {
    asked.headers(OK, true);
  }
};

let asked = 0;

/** What a call comes to: the text of its answer, or the name of its error. */
export async function outcome(client: Client<typeof LanesService>, timeoutMs?: number): Promise<string> {
  asked += 1;
  const text = `asked ${asked}`;
  try {
    const call = client.ask({ text }, timeoutMs === undefined ? {} : { timeoutMs });
    const answer = await soon(call, 'a call to a server that does not behave');
    return answer.text === text ? 'its own' : `an answer: ${JSON.stringify(answer.text)}`;
  } catch (error) {
    if (!(error instanceof ConnectError) || Code[error.code] === undefined) {
      throw error;
    }
    return Code[error.code] ?? '';
  }
}

/** In how many turns of the event loop a connection that has ended says so. */
const LOST_MAX = 100;

/** What a call comes to at a server that behaves again. */
export async function believed(client: Client<typeof LanesService>): Promise<string> {
  let got = await outcome(client);
  for (let n = 0; n < LOST_MAX && got !== 'its own'; n += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    got = await outcome(client);
  }
  return got;
}

/** Where the lanes may differ: what it comes to on the fast lane, on the adapter, and why. Both are errors, but for the last. */
const ACCEPTED: readonly (readonly [fast: string, adapter: string, why: string])[] = [
  ['Unavailable', 'Canceled', 'connect-node tells a connection that is lost by the code of its streams'],
  ['Unavailable', 'Internal', 'connect-node tells a connection that is broken by the error of its streams'],
  ['ResourceExhausted', 'Internal', "gRPC's status for ENHANCE_YOUR_CALM, which connect-node does not know"],
  ['PermissionDenied', 'Internal', "gRPC's status for INADEQUATE_SECURITY, which connect-node does not know"],
  ['Internal', 'DeadlineExceeded', 'connect-node waits on when a stream is reset without an error'],
  ['Internal', 'Unimplemented', 'a body that is not one message: cut off, or two'],
  ['Unimplemented', 'Internal', 'a body that is not one message: cut off, or two'],
  ['Unavailable', 'ResourceExhausted', 'connect-node tells a goodbye in anger by its code, and not by what it ends'],
  ['Internal', 'Unavailable', 'an answer that breaks HTTP/2 ends its stream, and for connect-node the connection'],
  ['Unavailable', 'Unknown', 'a body behind a status of HTTP that has none ends the connection'],
  ['Internal', 'its own', 'Connect looks at the first bit of the flags alone'],
];

/** What it comes to on both lanes, which must be the same. */
export async function both(protocol: Protocol, answer: Answerer, timeoutMs?: number): Promise<string> {
  server.answer = answer;
  const byFast = await outcome(clients[protocol].fast, timeoutMs);
  const byAdapter = await outcome(clients[protocol].adapter, timeoutMs);
  if (!ACCEPTED.some(([fast, adapter]) => fast === byFast && adapter === byAdapter)) {
    expect(byFast).toBe(byAdapter);
  }
  return byFast;
}

export const byGrpc =
  (body: (asked: Asked) => Uint8Array, trailers: readonly Header[] = OK, headers: readonly Header[] = GRPC): Answerer =>
  (one) => {
    one.headers(headers);
    one.data(body(one));
    one.headers(trailers, true);
  };

export const byConnect =
  (body: (asked: Asked) => Uint8Array, headers: readonly Header[] = CONNECT): Answerer =>
  (one) => {
    one.headers(headers);
    one.data(body(one), true);
  };

export const whole = (one: Asked) => encodeEnvelope(0, echoed(one, true));
