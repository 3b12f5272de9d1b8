/**
 * What the client's tests share: servers by hand over node:http2, and what came of a call in a form that can be compared.
 */

import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import {
  type AddressInfo,
  createServer as createTcpServer,
  connect as dialTcp,
  type Server,
  type Socket,
} from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, encodeBinaryHeader } from '@connectrpc/connect';
import { afterEach } from 'vitest';
import { EchoResponseSchema } from '../../test/echo.ts';
import { ENVELOPE_HEAD_BYTES, seal } from '../wire/envelope.ts';
import { closeEgress } from './egress.ts';

const stops: (() => unknown)[] = [];

/** Has something ended after the test, connections of clients first. */
export function atEnd(stop: () => unknown): void {
  stops.push(stop);
}

/** To be called once by each file of tests. */
export function stopAtEnd(): void {
  afterEach(async () => {
    closeEgress();
    for (const stop of stops.splice(0).reverse()) {
      await stop();
    }
  });
}

/** Listens on a free port of the loopback. @returns the address. */
export async function listening(server: Server | Http2Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A request that a server by hand was asked. */
export type RawCall = {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** How many calls came before it. */
  readonly index: number;
};

/** A server by hand. */
export type RawServer = {
  readonly address: string;
  readonly server: Http2Server;
  readonly sessions: Set<ServerHttp2Session>;
  /** How many connections were opened so far. */
  opened: number;
  calls: number;
};

/** Serves by hand until the test ends. */
export async function serveRaw(answer: (call: RawCall) => void, options: ServerOptions = {}): Promise<RawServer> {
  const server = createServer(options);
  const sessions = new Set<ServerHttp2Session>();
  const raw: RawServer = { address: '', server, sessions, opened: 0, calls: 0 };
  server.on('session', (session) => {
    raw.opened += 1;
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    answer({ stream: stream as ServerHttp2Stream, headers, index: raw.calls++ });
  });
  const address = await listening(server);
  atEnd(() => {
    for (const session of sessions) {
      session.destroy();
    }
    return new Promise((resolve) => server.close(resolve));
  });
  return Object.assign(raw, { address });
}

/** An EchoResponse. */
export function message(text: string): Uint8Array {
  return toBinary(EchoResponseSchema, create(EchoResponseSchema, { text }));
}

/** An EchoResponse in its envelope. */
export function enveloped(bytes: Uint8Array, isCompressed = false): Uint8Array {
  const room = new Uint8Array(ENVELOPE_HEAD_BYTES + bytes.byteLength);
  room.set(bytes, ENVELOPE_HEAD_BYTES);
  return seal(room, isCompressed);
}

/** Answers a gRPC call. */
export function answerGrpc(stream: ServerHttp2Stream, text = 'hi'): void {
  if (stream.destroyed) {
    return;
  }
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(enveloped(message(text)));
}

/** What came of a call, without the words of this or that lane. */
export type Outcome = {
  readonly code: string;
  /** Of an answer its text, of an error that the peer told its message. */
  readonly said: string;
  readonly details: readonly string[];
  readonly metadata: readonly string[];
};

const UNTOLD = new Set(['date', 'content-length']);

/** What came of a call that failed, or did not. */
export async function outcomeOf(call: Promise<{ readonly text: string }>): Promise<Outcome> {
  try {
    return { code: 'ok', said: (await call).text, details: [], metadata: [] };
  } catch (error) {
    if (!(error instanceof ConnectError)) {
      throw new Error('not an error of Connect', { cause: error });
    }
    const details = error.details.map((detail) =>
      'desc' in detail ? detail.desc.typeName : `${detail.type} ${encodeBinaryHeader(detail.value)}`,
    );
    const metadata = [...error.metadata].filter(([name]) => !UNTOLD.has(name)).map((pair) => pair.join(': '));
    return { code: Code[error.code] ?? String(error.code), said: error.rawMessage, details, metadata };
  }
}

/** The error of a call that has to fail. */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  const [settled] = await Promise.allSettled([call]);
  if (settled.status === 'fulfilled' || !(settled.reason instanceof ConnectError)) {
    throw new Error('the call did not fail as calls do', { cause: settled });
  }
  return settled.reason;
}

/** Relays TCP to a server, and goes silent when it is told to: nothing arrives any more, and nothing ends. */
export async function silentProxy(target: string) {
  const [host = '', port] = target.split(':');
  const sockets = new Set<Socket>();
  let opened = 0;
  const server = createTcpServer({ noDelay: true }, (near) => {
    opened += 1;
    const far = dialTcp({ host, port: Number(port), noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => sockets.delete(from));
      from.on('data', (bytes) => to.write(bytes));
      from.on('end', () => to.end());
    }
  });
  const address = await listening(server);
  atEnd(() => {
    for (const socket of sockets) {
      socket.destroy();
    }
    return new Promise((resolve) => server.close(resolve));
  });
  return {
    address,
    /** The connections that there are; later ones speak. */
    goSilent() {
      for (const socket of sockets) {
        socket.pause();
      }
    },
    speak() {
      for (const socket of sockets) {
        socket.resume();
      }
    },
    get opened() {
      return opened;
    },
  };
}
