/**
 * The lane that takes everything: it has Connect's own handlers answer streams, gRPC-Web, HTTP/1.1 and whatever else the fast
 * lane leaves to it.
 */

import type { OutgoingHttpHeaders } from 'node:http2';
import type { ConnectError } from '@connectrpc/connect';
import { fail } from '../../errors/fail.ts';
import { log } from '../../log.ts';
import { requestUrl, webHeaders } from '../../wire/web-headers.ts';
import { runInCall } from '../call.ts';
import { rewriteTimeout } from '../deadline.ts';
import type { ServerCall } from '../server-call.ts';
import { errorAnswer } from './error-answer.ts';
import type { Exchange } from './exchange.ts';
import { type AlreadyRead, readBody } from './request-body.ts';
import { respond } from './respond.ts';

/** Answers a call by Connect's handler. Never rejects. @param already what was read of the request's body before. */
export async function answer(
  exchange: Exchange,
  call: ServerCall,
  options: { readonly isTyped: boolean; readonly already?: AlreadyRead },
): Promise<void> {
  const { signal, traceId } = call;
  rewriteTimeout(call.headers, call.timeoutMs);
  const body = readBody(exchange.body, signal, options.already);
  try {
    const response = await runInCall(call, () =>
      call.served.handler({
        httpVersion: exchange.httpVersion,
        method: exchange.headers[':method'] ?? '',
        url: requestUrl(exchange.headers),
        header: webHeaders(call.headers),
        body,
        signal,
      }),
    );
    // The body's own iterator runs the rest of the handler, on behalf of the call too.
    const headers = traceHeader(traceId);
    const error = await runInCall(call, () => respond(exchange, response, { ...options, signal, headers }));
    call.error ??= error;
  } catch (error) {
    if (!signal.aborted) {
      log.error(`the answer of ${call.rpc} could not be written`, { error });
    }
    call.error ??= call.abortReason ?? fail('INTERNAL');
    exchange.abandon(signal.aborted ? 'cancelled' : 'failed');
  } finally {
    call.answered();
    body.forget();
    exchange.discard();
  }
}

/** Answers a request that no handler gets to see. @param status the HTTP status, for protocols that tell errors by it. */
export async function refuse(exchange: Exchange, error: ConnectError, status: number): Promise<void> {
  try {
    const response = errorAnswer(exchange.headers['content-type'], error, status);
    await respond(exchange, response, { signal: NEVER, headers: {}, isTyped: false });
  } catch {
    exchange.abandon('failed');
  } finally {
    exchange.discard();
  }
}

/** The header by which a caller finds the trace of its call. */
function traceHeader(traceId: string | undefined): OutgoingHttpHeaders {
  return traceId === undefined ? {} : { 'x-weft-trace-id': traceId };
}

const NEVER = new AbortController().signal;
