/**
 * What is compared: a server on its fast lane, the same on the adapter alone, and, as an oracle for gRPC, the same handlers on
 * @grpc/grpc-js. All three ask one handler, which each case sets.
 */

import type { ClientHttp2Session } from 'node:http2';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ConnectError, type HandlerContext } from '@connectrpc/connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { serviceDefinition } from '../../src/client/grpc.ts';
import type { LaneCounts } from '../../src/server/accept.ts';
import { implement } from '../../src/server/implement.ts';
import { type ServeOptions, serve } from '../../src/server/serve.ts';
import { type Answer, AnswerSchema, LanesService, lanesPolicy, type Question } from './contract.ts';
import { dialWire } from './wire.ts';

/** What an implementation sees: with grpc-js only what that has a counterpart of. */
export type LaneContext = Pick<HandlerContext, 'requestHeader' | 'responseHeader' | 'responseTrailer' | 'signal'> &
  Partial<HandlerContext>;

type Returned = MessageInitShape<typeof AnswerSchema>;
/** A handler; what it returns is whatever JavaScript lets through. */
export type LaneHandler = (question: Question, context: LaneContext) => Returned | PromiseLike<Returned>;

/** A handler that answers with a stream. */
export type StreamHandler = (question: Question, context: LaneContext) => AsyncIterable<Returned>;

/** Options of both servers. */
export type LaneOptions = Omit<Partial<ServeOptions>, 'listen' | 'services' | 'fastLane'>;

/** The options that a server has in production: policy, and so the catalogue of errors. */
export const WITH_POLICY: LaneOptions = { workload: 'lanes', policy: lanesPolicy };
export const AS_THROWN: LaneOptions = {};

/** Gives back what it gets. */
export const echo: LaneHandler = ({ text, count, data }) => ({ text, count, data });

/** One server, and a connection to it. */
export type Subject = {
  readonly address: string;
  readonly lanes: LaneCounts | undefined;
  connection(): Promise<ClientHttp2Session>;
  close(): Promise<void>;
};

/** The handler of the case that runs. Cases run one after another. */
export const current: { handler: LaneHandler; stream: StreamHandler } = {
  handler: echo,
  async *stream(question, context) {
    yield echo(question, context);
  },
};

function subject(address: string, rest: { readonly lanes?: () => LaneCounts; close(): Promise<void> | void }): Subject {
  let session: ClientHttp2Session | undefined;
  return {
    address,
    get lanes() {
      return rest.lanes?.();
    },
    async connection() {
      if (session === undefined || session.closed || session.destroyed) {
        session = await dialWire(address);
      }
      return session;
    },
    async close() {
      session?.destroy();
      await rest.close();
    },
  };
}

/** Serves on both lanes, or on the adapter alone. */
export async function serveLanes(options: LaneOptions, fastLane: boolean): Promise<Subject> {
  // Connect's types know promises alone; a thenable is one of the cases.
  const ask = (question: Question, context: HandlerContext) =>
    current.handler(question, context) as Returned | Promise<Returned>;
  const implementation = implement(LanesService, {
    ask,
    look: ask,
    watch: (question, context) => current.stream(question, context),
  });
  const server = await serve({ ...options, listen: '127.0.0.1:0', services: [implementation], fastLane });
  return subject(server.address, { lanes: () => server.lanes, close: () => server.close() });
}

/** Serves the same by grpc-js. */
export async function serveOracle(): Promise<Subject> {
  const server = new Server();
  server.addService(serviceDefinition(LanesService), {
    ask: answerByGrpcJs,
    look: answerByGrpcJs,
    watch: streamByGrpcJs,
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return subject(`127.0.0.1:${port}`, { close: () => server.forceShutdown() });
}

function contextByGrpcJs(call: Pick<ServerUnaryCall<Question, Answer>, 'on' | 'metadata'>): LaneContext {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort(new Error('cancelled')));
  return {
    requestHeader: webHeaders(call.metadata),
    responseHeader: new Headers(),
    responseTrailer: new Headers(),
    signal: controller.signal,
  };
}

function streamByGrpcJs(call: ServerWritableStream<Question, Returned>): void {
  const context = contextByGrpcJs(call);
  let hasBegun = false;
  const begin = () => {
    if (!hasBegun && !context.responseHeader.keys().next().done) {
      call.sendMetadata(metadataOf(context.responseHeader));
    }
    hasBegun = true;
  };
  const run = async () => {
    for await (const message of current.stream(call.request, context)) {
      begin();
      call.write(create(AnswerSchema, message));
    }
  };
  run().then(
    () => {
      begin();
      call.end(metadataOf(context.responseTrailer));
    },
    (error: unknown) => {
      begin();
      call.emit('error', serviceError(error, context.responseTrailer));
    },
  );
}

function answerByGrpcJs(call: ServerUnaryCall<Question, Answer>, callback: sendUnaryData<Returned>): void {
  const context = contextByGrpcJs(call);
  const sendHeader = () => {
    if (!context.responseHeader.keys().next().done) {
      call.sendMetadata(metadataOf(context.responseHeader));
    }
  };
  const refuse = (error: unknown) => {
    sendHeader();
    callback(serviceError(error, context.responseTrailer));
  };
  const { handler } = current;
  const run = async () => handler(call.request, context);
  run().then((value) => {
    sendHeader();
    callback(null, value, metadataOf(context.responseTrailer));
  }, refuse);
}

function serviceError(error: unknown, trailer: Headers) {
  if (!(error instanceof ConnectError)) {
    return error instanceof Error ? error : { code: 2, details: 'not an error' };
  }
  const headers = setTrailerStatus(new Headers(trailer), error);
  headers.delete('grpc-status');
  headers.delete('grpc-message');
  return { code: Number(error.code), details: error.rawMessage, metadata: metadataOf(headers) };
}

function metadataOf(headers: Headers): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of headers) {
    // Headers join what was appended.
    for (const one of name === 'set-cookie' ? [value] : value.split(', ')) {
      metadata.add(name, name.endsWith('-bin') ? Buffer.from(one, 'base64') : one);
    }
  }
  return metadata;
}

function webHeaders(metadata: Metadata): Headers {
  const headers = new Headers();
  for (const name of Object.keys(metadata.getMap())) {
    for (const value of metadata.get(name)) {
      headers.append(name, typeof value === 'string' ? value : value.toString('base64'));
    }
  }
  return headers;
}
