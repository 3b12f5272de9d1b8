/**
 * Answers one HTTP/2 request: finds its RPC, opens its call, lets Connect run the handler, writes the answer.
 */

import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { ConnectError } from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerRequest } from '@connectrpc/connect/protocol';
import { fail } from '../errors/fail.ts';
import { log } from '../log.ts';
import type { PolicyTable } from '../policy.ts';
import { serverSpan } from '../telemetry/spans.ts';
import { type RequestBody, readBody } from './body.ts';
import { runInCall } from './call.ts';
import { errorAnswer, unknownRpc } from './error-answer.ts';
import { headerBytes, type Limits } from './limits.ts';
import { type OpenCall, openCall } from './open-call.ts';
import { abandon, respond } from './respond.ts';

/** What a server needs to answer requests. */
export type AcceptOptions = {
  /** Connect's handlers by path, such as `/weft.inventory.v1.ItemService/GetItem`. */
  readonly handlers: ReadonlyMap<string, UniversalHandler>;
  readonly policy: PolicyTable;
  readonly limits: Limits;
};

/** Answers requests, and knows which calls are open. */
export class Acceptor {
  readonly #options: AcceptOptions;
  readonly #open = new Set<OpenCall>();
  #stopping = false;

  constructor(options: AcceptOptions) {
    this.#options = options;
  }

  /** Calls that are being answered. */
  get openCalls(): ReadonlySet<OpenCall> {
    return this.#open;
  }

  /** Ends streams that would go on for ever, now and from now on; calls that end by themselves may do so. */
  endStreams(): void {
    this.#stopping = true;
    for (const open of this.#open) {
      if (open.isStream) {
        open.abort(fail('STREAM_ENDED'));
      }
    }
  }

  /** Ends every call that is still open. */
  endAll(): void {
    for (const open of this.#open) {
      open.abort(fail('SERVER_STOPPING'));
    }
  }

  /** Answers a request. Never throws. */
  accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // Whatever befalls the stream is told by its 'close'; without a listener an 'error' would end the process.
    stream.on('error', () => {});
    const { handlers, policy, limits } = this.#options;
    const [path = ''] = (headers[':path'] ?? '').split('?', 1);
    const handler = handlers.get(path);
    if (headerBytes(headers) > limits.headerMaxBytes) {
      // Node advertises the limit but does not hold callers to it.
      void refuse(stream, headers, fail('MESSAGE_TOO_LARGE', 'The request headers are too large.'));
      return;
    }
    if (handler === undefined) {
      void refuse(stream, headers, unknownRpc(headers));
      return;
    }
    const span = serverSpan(path.slice(1), headers);
    const open = openCall(handler.method, headers, { policy, limits, traceId: span.traceId });
    this.#open.add(open);
    if (this.#stopping && open.isStream) {
      open.abort(fail('STREAM_ENDED'));
    }
    stream.once('close', () => {
      open.abort(fail('CANCELLED'));
      open.close();
      this.#open.delete(open);
    });
    void span.run(() =>
      runInCall(open.call, async () => {
        await this.#answer(stream, headers, handler, open);
        span.end(open.call.outcome.error);
      }),
    );
  }

  async #answer(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    handler: UniversalHandler,
    open: OpenCall,
  ): Promise<void> {
    const { signal, outcome, traceId } = open.call;
    const body = readBody(stream, signal);
    try {
      const response = await handler(universalRequest(headers, body, signal));
      const error = await respond(stream, response, { signal, headers: traceHeader(traceId) });
      outcome.error ??= error;
    } catch (error) {
      if (!signal.aborted) {
        log.error(`the answer of ${open.call.rpc} could not be written`, { error });
      }
      outcome.error ??= signal.aborted ? signal.reason : fail('INTERNAL');
      abandon(stream, signal.aborted ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_INTERNAL_ERROR);
    } finally {
      open.close();
      body.discard();
    }
  }
}

/** Answers a request that no handler gets to see. */
async function refuse(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, error: ConnectError): Promise<void> {
  const body = readBody(stream, NEVER);
  try {
    await respond(stream, errorAnswer(headers['content-type'], error), { signal: NEVER, headers: {} });
  } catch {
    abandon(stream);
  } finally {
    body.discard();
  }
}

/** The header by which a caller finds the trace of its call. */
function traceHeader(traceId: string | undefined): OutgoingHttpHeaders {
  return traceId === undefined ? {} : { 'x-weft-trace-id': traceId };
}

const NEVER = new AbortController().signal;

function universalRequest(
  headers: IncomingHttpHeaders,
  body: RequestBody,
  signal: AbortSignal,
): UniversalServerRequest {
  const header = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !name.startsWith(':')) {
      for (const one of Array.isArray(value) ? value : [value]) {
        header.append(name, one);
      }
    }
  }
  return {
    httpVersion: '2.0',
    method: headers[':method'] ?? '',
    // Handlers see the path and query; the authority is the sidecar's affair, and may be anything.
    url: new URL(headers[':path'] ?? '/', 'http://localhost').href,
    header,
    body,
    signal,
  };
}
