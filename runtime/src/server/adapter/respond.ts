/**
 * Writes Connect's answer to an exchange. It differs from connect-node's own writer in one thing that Envoy's retries
 * hang on: a failed gRPC call that has sent nothing yet is answered trailers-only, its status in the one and only HEADERS frame
 * (unless the handler set headers of its own, which come apart then, as in grpc-go).
 */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
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
    await respond(exchange, withHandlersOwn(typed.response, response), options);
    return typed.error;
  }
  const headers = { ...options.headers, ...answerHeaders(response, exchange) };
  if (chunk.done && isFailure(response.trailer) && !hasHandlersOwn(response.header)) {
    const { 'grpc-encoding': _nothingToCompress, ...alone } = headers;
    exchange.beginAndEnd(response.status, { ...alone, ...outgoing(response.trailer) });
    return undefined;
  }
  const { trailer } = response;
  // Trailers may be an interceptor's own; the status is the protocol's.
  const trailers = () => ({ 'grpc-status': '0', ...outgoing(trailer) });
  exchange.begin(response.status, headers, trailer === undefined ? undefined : trailers);
  while (!chunk.done && chunks !== undefined) {
    if (!exchange.write(chunk.value)) {
      try {
        await until(options.signal, exchange.drained());
      } catch (error) {
        // What the handler holds for the rest of its answer is let go; how that ends concerns nobody any more.
        chunks.return?.().catch(() => {});
        throw error;
      }
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

/**
 * The headers of an answer. Those that the protocol sets are the protocol's, whatever a handler or an interceptor made of them: what the
 * answer is written in, and how long it is. In HTTP/1.1 the connection may be closed by one, as Connect does for what needs HTTP/2.
 */
function answerHeaders({ header, status, trailer }: UniversalServerResponse, exchange: Exchange): OutgoingHttpHeaders {
  const result = outgoing(header);
  const contentType = status === OK ? answerType(exchange.headers) : undefined;
  if (contentType !== undefined) {
    result['content-type'] = contentType;
  }
  if (trailer !== undefined) {
    delete result['content-length'];
  }
  if (exchange.httpVersion === '1.1' && header?.has('connection')) {
    result.connection = header.get('connection') ?? undefined;
  }
  return result;
}

/** An answer that is nothing but an error, with what the handler set of headers before it. */
function withHandlersOwn(
  answer: UniversalServerResponse,
  { header }: UniversalServerResponse,
): UniversalServerResponse {
  const merged = new Headers(header);
  answer.header?.forEach((value, name) => {
    merged.set(name, value);
  });
  merged.delete('content-encoding');
  return { ...answer, header: merged };
}

const OK = 200;

/** The content type of an answer, as the request's names it, or the query of Connect's GET; undefined for a request without. */
function answerType(headers: IncomingHttpHeaders): string | undefined {
  if (headers[':method'] === 'GET') {
    const path = headers[':path'] ?? '';
    return `application/${new URLSearchParams(path.slice(path.indexOf('?'))).get('encoding') ?? 'json'}`;
  }
  const [type] = headers['content-type']?.split(';', 1) ?? [];
  return type?.endsWith('/grpc') || type?.endsWith('/grpc-web') ? `${type}+proto` : type;
}
