/** The client of the cases by our own `connect`. */

import { type CallOptions, type Client, ConnectError } from '@connectrpc/connect';
import { connect } from '../src/client/connect.ts';
import { closeEgress } from '../src/client/egress.ts';
import {
  type Caller,
  type CallerOptions,
  type InputRequest,
  type Metadata,
  type OutputRequest,
  StatusError,
} from './caller.ts';
import { AskedTestService, UnimplementedService } from './grpc-testing.ts';
import { Outgoing } from './outgoing.ts';

/** Makes a client. @param ca PEM of who signed the server's certificate; undefined: no TLS. */
export function connectCaller(address: string, ca: string | undefined): Caller {
  const options = { egress: address, ...(ca === undefined ? {} : { tls: { ca } }) };
  const client: Client<typeof AskedTestService> = connect(AskedTestService, options);
  const stranger: Client<typeof UnimplementedService> = connect(UnimplementedService, options);
  return {
    emptyCall: () => typed(async () => void (await client.emptyCall({}))),
    unaryCall: (request, options) =>
      typed(async () => {
        const seen = watch(options);
        const response = await client.unaryCall(request, seen.options);
        return { response, headers: seen.headers, trailers: seen.trailers };
      }),
    streamingOutputCall: (request) => typedEach(client.streamingOutputCall(request)),
    streamingInputCall(options) {
      const seen = watch(options);
      const outgoing = new Outgoing<InputRequest>();
      const result = typed(
        async () => (await client.streamingInputCall(outgoing.read(), seen.options)).aggregatedPayloadSize,
      );
      // It is looked at by receive(), and may fail before that.
      result.catch(() => {});
      return {
        send: (request) => outgoing.push(request),
        closeSend: () => outgoing.close(),
        receive: () => result,
        cancel: () => seen.cancel(),
        headers: () => seen.headers,
        trailers: () => seen.trailers,
      };
    },
    fullDuplexCall(options) {
      const seen = watch(options);
      const outgoing = new Outgoing<OutputRequest>();
      const answers = typedEach(client.fullDuplexCall(outgoing.read(), seen.options))[Symbol.asyncIterator]();
      return {
        send: (request) => outgoing.push(request),
        closeSend: () => outgoing.close(),
        async receive() {
          const { done, value } = await answers.next();
          return done === true ? undefined : value;
        },
        cancel: () => seen.cancel(),
        headers: () => seen.headers,
        trailers: () => seen.trailers,
      };
    },
    unimplementedMethod: () => typed(async () => void (await client.unimplementedCall({}))),
    unimplementedService: () => typed(async () => void (await stranger.unimplementedCall({}))),
    // Connections are shared by all clients of an address; this ends them all.
    close: closeEgress,
  };
}

/** The options of a call that remembers what it received. */
function watch({ headers = {}, timeoutMs }: CallerOptions = {}) {
  const controller = new AbortController();
  const seen = { headers: {} as Metadata, trailers: {} as Metadata, cancel: () => controller.abort() };
  const options: CallOptions = {
    headers,
    signal: controller.signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    onHeader(header) {
      seen.headers = Object.fromEntries(header);
    },
    onTrailer(trailer) {
      seen.trailers = Object.fromEntries(trailer);
    },
  };
  return Object.assign(seen, { options });
}

async function typed<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw failed(error);
  }
}

async function* typedEach<T>(answers: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* answers;
  } catch (error) {
    throw failed(error);
  }
}

function failed(error: unknown): unknown {
  return error instanceof ConnectError ? new StatusError(error.code, error.rawMessage) : error;
}
