/** The client of the cases by @grpc/grpc-js, over our own `grpcClient`. */

import * as grpc from '@grpc/grpc-js';
import { grpcClient } from '../src/client/grpc.ts';
import { type Caller, type CallerOptions, type Metadata, StatusError, type Talk } from './caller.ts';
import { AskedTestService, type SimpleResponse, UnimplementedService } from './grpc-testing.ts';

/** Makes a client over a connection of its own. */
export function grpcJsCaller(address: string, credentials: grpc.ChannelCredentials): Caller {
  // Else grpc-js would share one connection among all clients of an address.
  const channel = {
    'grpc.use_local_subchannel_pool': 1,
    // Certificates of the loopback are for its name: Node refuses to ask a server for an address.
    'grpc.ssl_target_name_override': 'localhost',
  };
  const client = grpcClient(AskedTestService, address, { credentials, channel });
  const stranger = grpcClient(UnimplementedService, address, { credentials, channel });
  return {
    emptyCall: () => answered((callback) => client.emptyCall({}, callback)).then(nothing),
    async unaryCall(request, options = {}) {
      let headers: Metadata = {};
      let trailers: Metadata = {};
      const response = await answered<SimpleResponse>((callback) => {
        const call = client.unaryCall(request, metadataOf(options), callOptions(options), callback);
        call.on('metadata', (metadata) => {
          headers = plain(metadata);
        });
        call.on('status', ({ metadata }) => {
          trailers = plain(metadata);
        });
      });
      // The status comes right after the answer.
      await new Promise((resolve) => setImmediate(resolve));
      return { response, headers, trailers };
    },
    streamingOutputCall: (request) => statusOf(client.streamingOutputCall(request)),
    streamingInputCall(options = {}) {
      let settle: (result: Promise<number>) => void = () => {};
      const result = new Promise<number>((resolve) => {
        settle = resolve;
      });
      const call = client.streamingInputCall(metadataOf(options), callOptions(options), (error, response) =>
        settle(error === null ? Promise.resolve(response?.aggregatedPayloadSize ?? 0) : Promise.reject(failed(error))),
      );
      return {
        send: (request) => void call.write(request),
        closeSend: () => void call.end(),
        receive: () => result,
        cancel: () => call.cancel(),
        headers: () => ({}),
        trailers: () => ({}),
      };
    },
    fullDuplexCall: (options = {}) => talk(client.fullDuplexCall(metadataOf(options), callOptions(options))),
    unimplementedMethod: () => answered((callback) => client.unimplementedCall({}, callback)).then(nothing),
    unimplementedService: () => answered((callback) => stranger.unimplementedCall({}, callback)).then(nothing),
    close() {
      client.close();
      stranger.close();
    },
  };
}

function nothing(): void {}

function answered<T>(call: (callback: grpc.requestCallback<T>) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => {
      if (error !== null) reject(failed(error));
      else if (response === undefined) reject(new Error('there was neither an error nor an answer'));
      else resolve(response);
    });
  });
}

function talk<Request, Response>(call: grpc.ClientDuplexStream<Request, Response>): Talk<Request, Response> {
  let headers: Metadata = {};
  let trailers: Metadata = {};
  call.on('metadata', (metadata) => {
    headers = plain(metadata);
  });
  const status = new Promise<void>((resolve) => {
    call.on('status', ({ metadata }) => {
      trailers = plain(metadata);
      resolve();
    });
  });
  const answers = statusOf(call)[Symbol.asyncIterator]();
  return {
    send: (request) => void call.write(request),
    closeSend: () => void call.end(),
    async receive() {
      const { done, value } = await answers.next();
      if (done !== true) return value;
      await status;
      return undefined;
    },
    cancel: () => call.cancel(),
    headers: () => headers,
    trailers: () => trailers,
  };
}

/** Answers as they come; what they end with becomes a StatusError. */
async function* statusOf<T>(call: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* call;
  } catch (error) {
    throw failed(error);
  }
}

function failed(error: unknown): unknown {
  return error instanceof Error && 'code' in error && 'details' in error
    ? new StatusError(Number(error.code), String(error.details))
    : error;
}

function metadataOf({ headers = {} }: CallerOptions): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) {
    metadata.set(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return metadata;
}

function callOptions({ timeoutMs }: CallerOptions): grpc.CallOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

function plain(metadata: grpc.Metadata): Metadata {
  const values = Object.entries(metadata.getMap());
  return Object.fromEntries(
    values.map(([name, value]) => [name, typeof value === 'string' ? value : value.toString('base64')]),
  );
}
