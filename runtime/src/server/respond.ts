/**
 * Writes Connect's answer to an HTTP/2 stream. It differs from connect-node's own writer in one thing that Envoy's retries
 * hang on: a failed gRPC call that has sent nothing yet is answered trailers-only, its status in the one and only HEADERS frame.
 */

import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { ConnectError } from '@connectrpc/connect';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { withReason } from './error-answer.ts';
import { until } from './until.ts';

/** Headers that HTTP/2 forbids (RFC 9113 8.2.2). */
const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/** How to write an answer. */
export type RespondOptions = {
  /** Ends the wait for a caller that does not read. */
  readonly signal: AbortSignal;
  /** Headers beside the answer's own. */
  readonly headers: OutgoingHttpHeaders;
};

/**
 * Writes the whole answer, no faster than the caller reads it.
 *
 * @returns the error that was answered, when it was Connect itself that found it.
 * @throws what the body throws, and the signal's reason.
 */
export async function respond(
  stream: ServerHttp2Stream,
  response: UniversalServerResponse,
  options: RespondOptions,
): Promise<ConnectError | undefined> {
  const chunks = response.body?.[Symbol.asyncIterator]();
  // Headers wait for the first chunk: until then the handler may set more, and the call may turn out to have failed.
  let chunk: IteratorResult<Uint8Array, undefined> = chunks === undefined ? END : await chunks.next();
  if (stream.closed || stream.destroyed) {
    await chunks?.return?.();
    return undefined;
  }
  const typed = withReason(response, chunk.value);
  if (typed !== undefined) {
    await chunks?.return?.();
    await respond(stream, typed.response, options);
    return typed.error;
  }
  const headers = { ...options.headers, ...outgoing(response.header), ':status': response.status };
  if (chunk.done && isFailure(response.trailer)) {
    stream.respond({ ...headers, ...outgoing(response.trailer) }, { endStream: true });
    return undefined;
  }
  const withTrailers = response.trailer !== undefined;
  stream.respond(headers, { waitForTrailers: withTrailers });
  if (withTrailers) {
    stream.once('wantTrailers', () => stream.sendTrailers(outgoing(response.trailer)));
  }
  while (!chunk.done && chunks !== undefined) {
    if (!stream.write(chunk.value)) {
      await until(options.signal, drained(stream));
    }
    if (stream.closed || stream.destroyed) {
      await chunks.return?.();
      return undefined;
    }
    chunk = await chunks.next();
  }
  stream.end();
  return undefined;
}

/** Ends a stream whose answer cannot be written any more. */
export function abandon(stream: ServerHttp2Stream, code: number = constants.NGHTTP2_INTERNAL_ERROR): void {
  if (!stream.closed && !stream.destroyed) {
    stream.close(code);
  }
}

const END: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };

function isFailure(trailer: Headers | undefined): boolean {
  const status = trailer?.get('grpc-status') ?? '0';
  return status !== '0';
}

function outgoing(headers: Headers | undefined): OutgoingHttpHeaders {
  const result: OutgoingHttpHeaders = {};
  for (const [name, value] of headers ?? []) {
    if (!CONNECTION_HEADERS.has(name)) {
      result[name] = value;
    }
  }
  return result;
}

function drained(stream: ServerHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}
