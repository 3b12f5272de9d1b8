/**
 * Writes Connect's answer to an exchange. It differs from connect-node's own writer in one thing that Envoy's retries
 * hang on: a failed gRPC call that has sent nothing yet is answered trailers-only, its status in the one and only HEADERS frame
 * (unless the handler set headers of its own, which come apart then, as in grpc-go).
 */

import type { OutgoingHttpHeaders } from 'node:http2';
import type { ConnectError } from '@connectrpc/connect';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { hasHandlersOwn, outgoing } from '../outgoing-headers.ts';
import { until } from '../until.ts';
import { type TypedAnswer, withReason } from './error-answer.ts';
import type { Exchange } from './exchange.ts';

/** How to write an answer. */
export type RespondOptions = {
  /** Ends the wait for a caller that does not read. */
  readonly signal: AbortSignal;
  /** Headers beside the answer's own. */
  readonly headers: OutgoingHttpHeaders;
  /** Whether errors that Connect itself finds get a reason of the catalogue. */
  readonly isTyped: boolean;
};

/**
 * Writes the whole answer, no faster than the caller reads it.
 *
 * @returns the error that was answered, when it was Connect itself that found it.
 * @throws what the body throws, and the signal's reason.
 */
export async function respond(
  exchange: Exchange,
  response: UniversalServerResponse,
  options: RespondOptions,
): Promise<ConnectError | undefined> {
  const chunks = response.body?.[Symbol.asyncIterator]();
  // Headers wait for the first chunk: until then the handler may set more, and the call may turn out to have failed.
  let chunk: IteratorResult<Uint8Array, undefined> = chunks === undefined ? END : await chunks.next();
  if (exchange.isGone) {
    await chunks?.return?.();
    return undefined;
  }
  const typed: TypedAnswer | undefined = options.isTyped ? withReason(response, chunk.value) : undefined;
  if (typed !== undefined) {
    await chunks?.return?.();
    await respond(exchange, typed.response, options);
    return typed.error;
  }
  const headers = { ...options.headers, ...answerHeaders(response.header, exchange.httpVersion) };
  if (chunk.done && isFailure(response.trailer) && !hasHandlersOwn(response.header)) {
    exchange.beginAndEnd(response.status, { ...headers, ...outgoing(response.trailer) });
    return undefined;
  }
  const { trailer } = response;
  exchange.begin(response.status, headers, trailer === undefined ? undefined : () => outgoing(trailer));
  while (!chunk.done && chunks !== undefined) {
    if (!exchange.write(chunk.value)) {
      await until(options.signal, exchange.drained());
    }
    if (exchange.isGone) {
      await chunks.return?.();
      return undefined;
    }
    chunk = await chunks.next();
  }
  exchange.end();
  return undefined;
}

const END: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };

function isFailure(trailer: Headers | undefined): boolean {
  const status = trailer?.get('grpc-status') ?? '0';
  return status !== '0';
}

/** In HTTP/1.1 the connection may be closed by a header of the answer: Connect does so for what needs HTTP/2. */
function answerHeaders(headers: Headers | undefined, httpVersion: Exchange['httpVersion']): OutgoingHttpHeaders {
  const result = outgoing(headers);
  if (httpVersion === '1.1' && headers?.has('connection')) {
    result.connection = headers.get('connection') ?? undefined;
  }
  return result;
}
