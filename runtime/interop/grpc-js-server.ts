/** grpc.testing.TestService on a grpc-js server: the other side for `connect`, and the proof that the cases themselves are right. */

import { setTimeout as delay } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { serviceDefinition } from '../src/client/grpc.ts';
import {
  type EchoStatus,
  type Empty,
  type ResponseParameters,
  type SimpleRequest,
  type SimpleResponseSchema,
  type StreamingInputCallRequest,
  type StreamingInputCallResponseSchema,
  type StreamingOutputCallRequest,
  type StreamingOutputCallResponseSchema,
  TestService,
} from './grpc-testing.ts';
import { Outgoing } from './outgoing.ts';
import { ECHO_INITIAL, ECHO_TRAILING } from './test-service.ts';

type Output = MessageInitShape<typeof StreamingOutputCallResponseSchema>;
type Duplex = grpc.ServerDuplexStream<StreamingOutputCallRequest, Output>;

/** Starts the server on a free port of the loopback. */
export async function serveByGrpcJs(
  credentials: grpc.ServerCredentials,
): Promise<{ readonly address: string; close(): void }> {
  const server = new grpc.Server();
  server.addService(serviceDefinition(TestService), implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

const implementation = {
  emptyCall(_: grpc.ServerUnaryCall<Empty, object>, callback: grpc.sendUnaryData<object>) {
    callback(null, {});
  },
  unaryCall(
    call: grpc.ServerUnaryCall<SimpleRequest, MessageInitShape<typeof SimpleResponseSchema>>,
    callback: grpc.sendUnaryData<MessageInitShape<typeof SimpleResponseSchema>>,
  ) {
    const { responseSize, responseStatus } = call.request;
    const trailer = echoInitial(call);
    if (responseStatus !== undefined && responseStatus.code !== 0) {
      callback(statusOf(responseStatus), null, trailer);
    } else {
      callback(null, { payload: { body: new Uint8Array(responseSize) } }, trailer);
    }
  },
  async streamingOutputCall(call: grpc.ServerWritableStream<StreamingOutputCallRequest, Output>) {
    await writeAll(call, call.request.responseParameters);
    call.end();
  },
  async streamingInputCall(
    call: grpc.ServerReadableStream<StreamingInputCallRequest, unknown>,
    callback: grpc.sendUnaryData<MessageInitShape<typeof StreamingInputCallResponseSchema>>,
  ) {
    let aggregatedPayloadSize = 0;
    for await (const { payload } of requestsOf<StreamingInputCallRequest>(call)) {
      aggregatedPayloadSize += payload?.body.length ?? 0;
    }
    callback(null, { aggregatedPayloadSize });
  },
  async fullDuplexCall(call: Duplex) {
    const trailer = echoInitial(call);
    for await (const { responseStatus, responseParameters } of requestsOf<StreamingOutputCallRequest>(call)) {
      if (responseStatus !== undefined && responseStatus.code !== 0) {
        call.emit('error', statusOf(responseStatus));
        return;
      }
      await writeAll(call, responseParameters);
    }
    call.end(trailer);
  },
  async halfDuplexCall(call: Duplex) {
    const requests = await Array.fromAsync(requestsOf<StreamingOutputCallRequest>(call));
    for (const { responseParameters } of requests) {
      await writeAll(call, responseParameters);
    }
    call.end();
  },
};

/**
 * The requests of a call. Not by its own iterator, which at its end would destroy the call before it is answered. A call that its
 * caller cancels just ends: nobody waits for an answer any more.
 */
function requestsOf<T>(call: NodeJS.EventEmitter): AsyncIterable<T> {
  const requests = new Outgoing<T>();
  call.on('data', (request: T) => requests.push(request));
  for (const end of ['end', 'cancelled', 'error']) {
    call.on(end, () => requests.close());
  }
  return requests.read();
}

type Writable = { write(message: Output): boolean };

async function writeAll(call: Writable, parameters: readonly ResponseParameters[]): Promise<void> {
  for (const { size, intervalUs } of parameters) {
    await delay(intervalUs / 1_000);
    call.write({ payload: { body: new Uint8Array(size) } });
  }
}

function statusOf({ code, message }: EchoStatus) {
  return { code, details: message };
}

/** Sends the header back that is to be sent back at once. @returns what is to be sent back at the end. */
function echoInitial(call: {
  readonly metadata: grpc.Metadata;
  sendMetadata(metadata: grpc.Metadata): void;
}): grpc.Metadata {
  const [initial] = call.metadata.get(ECHO_INITIAL);
  if (initial !== undefined) {
    const header = new grpc.Metadata();
    header.set(ECHO_INITIAL, initial);
    call.sendMetadata(header);
  }
  const trailer = new grpc.Metadata();
  const [trailing] = call.metadata.get(ECHO_TRAILING);
  if (trailing !== undefined) {
    trailer.set(ECHO_TRAILING, trailing);
  }
  return trailer;
}
