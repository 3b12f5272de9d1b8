/**
 * The lane that takes everything: connect-node's transports, over the connections of the pool or, for HTTP/1.1, an agent. What they
 * get wrong of the protocols is mended here.
 */

import { constants } from 'node:http2';
import type { JsonReadOptions, JsonWriteOptions } from '@bufbuild/protobuf';
import { Code, ConnectError, type StreamResponse, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { abortedError, lateFromMs, timedOut } from '../aborted.ts';
import { agentTo } from '../egress.ts';
import { resetError } from '../fast/reset-error.ts';
import type { ClientOptions } from '../options.ts';
import type { SessionPool } from '../session/session-pool.ts';
import { Attempt } from './attempt.ts';
import { sessionsOf } from './sessions.ts';

/** A transport for whatever the fast lane leaves. @param pool undefined for HTTP/1.1. */
export function adapterTransport(
  options: ClientOptions,
  pool: SessionPool | undefined,
  jsonOptions: Partial<JsonReadOptions & JsonWriteOptions>,
): Transport {
  const { authority, tls, isBinary, interceptors, sendCompression, acceptCompression, protocol } = options;
  const common = {
    baseUrl: `${tls === undefined ? 'http' : 'https'}://${authority}`,
    useBinaryFormat: isBinary,
    interceptors: [...interceptors],
    jsonOptions,
    readMaxBytes: options.readMaxBytes,
    writeMaxBytes: options.writeMaxBytes,
    compressMinBytes: options.compressMinBytes,
    acceptCompression: [...acceptCompression],
    ...(sendCompression === undefined ? {} : { sendCompression }),
  };
  if (pool === undefined) {
    const http = {
      ...common,
      httpVersion: '1.1' as const,
      nodeOptions: { agent: agentTo(options.egress, tls, options.sessions) },
    };
    return mended(
      protocol === 'connect'
        ? createConnectTransport({ ...http, useHttpGet: options.useHttpGet })
        : createGrpcWebTransport(http),
    );
  }
  const http = { ...common, httpVersion: '2' as const, sessionManager: sessionsOf(pool, authority, tls !== undefined) };
  switch (protocol) {
    case 'grpc':
      return mended(createGrpcTransport(http));
    case 'grpc-web':
      return mended(createGrpcWebTransport(http));
    case 'connect':
      return mended(createConnectTransport({ ...http, useHttpGet: options.useHttpGet }));
  }
}

function mended(inner: Transport): Transport {
  return {
    async unary(method, signal, timeoutMs, ...rest) {
      const attempt = new Attempt();
      const mend = mender(attempt, signal, timeoutMs);
      try {
        return await untilBegun(attempt, signal, timeoutMs, (leftMs) => inner.unary(method, signal, leftMs, ...rest));
      } catch (error) {
        throw mend(error);
      }
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const attempt = new Attempt();
      const mend = mender(attempt, signal, timeoutMs);
      const begin = (messages: typeof input, leftMs: number | undefined) =>
        inner.stream(method, signal, leftMs, header, messages, contextValues);
      try {
        // The one message of a server stream can be sent again; what a caller streams itself cannot.
        const again = method.methodKind === 'server_streaming' ? await kept(input) : undefined;
        const response = await (again === undefined
          ? attempt.make(() => begin(input, timeoutMs))
          : untilBegun(attempt, signal, timeoutMs, (leftMs) => begin(again(), leftMs)));
        return { ...response, trailer: trailerOf(response), message: mendedMessages(response.message, mend) };
      } catch (error) {
        throw mend(error);
      }
    },
  };
}

/** How often a call is begun anew when the peer did not begin it. */
const ATTEMPTS_MAX = 4;

/** Repeats a call that the peer did not begin, within the time that the first attempt had. */
async function untilBegun<T>(
  attempt: Attempt,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
  begin: (leftMs: number | undefined) => Promise<T>,
): Promise<T> {
  const startMs = performance.now();
  for (let count = 1; ; count += 1) {
    // connect-node would send the call, and then cancel it.
    if (signal?.aborted) {
      throw abortedError(signal.reason);
    }
    const leftMs = timeoutMs === undefined ? undefined : Math.ceil(timeoutMs - (performance.now() - startMs));
    if (leftMs !== undefined && leftMs <= 0 && count > 1) {
      throw timedOut();
    }
    try {
      return await attempt.make(() => begin(leftMs));
    } catch (error) {
      if (!attempt.neverBegan) {
        throw error;
      }
      if (count >= ATTEMPTS_MAX) {
        const said = `the call was turned away ${count} times`;
        throw new ConnectError(said, Code.Unavailable, undefined, undefined, error);
      }
    }
  }
}

/** Messages that can be read again and again. */
async function kept<T>(messages: AsyncIterable<T>): Promise<() => AsyncIterable<T>> {
  const all = await Array.fromAsync(messages);
  return async function* again() {
    yield* all;
  };
}

/** Mends the errors of a call. */
type Mender = (error: unknown) => unknown;

function mender(attempt: Attempt, signal: AbortSignal | undefined, timeoutMs: number | undefined): Mender {
  const lateMs = lateFromMs(timeoutMs);
  return (error) => {
    if (!(error instanceof ConnectError) || error.isWireError) {
      return error;
    }
    if (error.code === Code.Canceled && !signal?.aborted && performance.now() >= lateMs) {
      return timedOut();
    }
    const { closed } = attempt;
    if (closed !== undefined && isOfStream(error, signal)) {
      return closed.isGone || closed.rstCode !== constants.NGHTTP2_NO_ERROR
        ? resetError(closed.rstCode, error, closed.isGone)
        : error;
    }
    if (isUnreachable(error)) {
      return new ConnectError(error.rawMessage, Code.Unavailable, error.metadata, undefined, error.cause);
    }
    // Connect calls an answer that is cut short or malformed the caller's mistake; it is the callee's.
    const isMalformed = error.code === Code.InvalidArgument && error.rawMessage.startsWith('protocol error:');
    return isMalformed ? new ConnectError(error.rawMessage, Code.Internal, error.metadata, undefined, error) : error;
  };
}

/** Whether an error may tell, in connect-node's way, of the end of its stream: it overlooks codes that Node tells by errors. */
function isOfStream({ code }: ConnectError, signal: AbortSignal | undefined): boolean {
  return code === Code.Internal || ((code === Code.Aborted || code === Code.Canceled) && !signal?.aborted);
}

/** Whether no connection was to be had, of which connect-node knows a few reasons. */
function isUnreachable({ cause }: ConnectError): boolean {
  return cause instanceof Error && 'syscall' in cause && cause.syscall === 'connect';
}

/** In gRPC-Web an answer of headers alone has its trailers among them, which Connect overlooks. */
function trailerOf({ header, trailer }: StreamResponse): Headers {
  return header.has('grpc-status') ? header : trailer;
}

async function* mendedMessages<T>(messages: AsyncIterable<T>, mend: Mender): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw mend(error);
  }
}
