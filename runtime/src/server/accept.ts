/**
 * Takes requests in: finds the RPC, opens its call, and puts it on the fast lane or the adapter's.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { ConnectError } from '@connectrpc/connect';
import { codeToHttpStatus } from '@connectrpc/connect/protocol-connect';
import { untyped } from '../errors/as-thrown.ts';
import { fail } from '../errors/fail.ts';
import { serverSpan } from '../telemetry/spans.ts';
import { answer, refuse } from './adapter/adapter.ts';
import { unknownRpc } from './adapter/error-answer.ts';
import type { Exchange } from './adapter/exchange.ts';
import { http1Exchange } from './adapter/http1-exchange.ts';
import { http2Exchange } from './adapter/http2-exchange.ts';
import type { AlreadyRead } from './adapter/request-body.ts';
import { clampTimeout, requestedTimeoutMs } from './deadline.ts';
import { FastCall, type FastLane } from './fast/fast-call.ts';
import { fastRequest, hasBrokenMessage } from './fast/fast-request.ts';
import { headerBytes, type Limits } from './limits.ts';
import type { ServedMethod } from './served-method.ts';
import { ServerCall } from './server-call.ts';
import type { SessionState } from './session-state.ts';

/** What a server needs to answer requests. */
export type AcceptOptions = {
  /** The RPCs by path, such as `/weft.inventory.v1.ItemService/GetItem`. */
  readonly methods: ReadonlyMap<string, ServedMethod>;
  readonly limits: Limits;
  /** The error to send for what a handler threw. */
  readonly errorOf: (error: unknown) => ConnectError;
  /** Whether errors that Connect itself finds get a reason of the catalogue. */
  readonly isTyped: boolean;
  /** Whether calls may use the fast lane. */
  readonly useFastLane: boolean;
};

/** The HTTP status of a path that no RPC has, for callers that speak plain HTTP. */
const NO_SUCH_PATH = 404;

/** A request over HTTP/2. */
export type Http2Request = {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** Names and values of the headers in turn, as they came. */
  readonly raw: readonly string[];
  readonly session: SessionState;
};

/** How many calls each lane has answered. */
export type LaneCounts = { readonly fast: number; readonly adapter: number };

/** Answers requests, and knows which calls are open. */
export class Acceptor {
  readonly #options: AcceptOptions;
  readonly #lane: FastLane;
  readonly #open = new Set<ServerCall>();
  readonly #lanes = { fast: 0, adapter: 0 };
  #isStopping = false;

  constructor(options: AcceptOptions) {
    this.#options = options;
    this.#lane = {
      readMaxBytes: options.limits.readMaxBytes,
      compressMinBytes: options.limits.compressMinBytes,
      errorOf: options.errorOf,
      handOver: (call, chunks, isComplete) => this.#takeOver(call, { chunks, isComplete }),
      done: (call) => {
        this.#lanes.fast += 1;
        call.span?.end(call.error, 'fast');
      },
      closed: (call) => this.#open.delete(call),
    };
  }

  /** Calls that are being answered. */
  get openCalls(): ReadonlySet<ServerCall> {
    return this.#open;
  }

  /** Whether calls of a connection are open. */
  hasOpenCalls(session: SessionState): boolean {
    for (const call of this.#open) {
      if (call.session === session) {
        return true;
      }
    }
    return false;
  }

  /** Calls answered so far, by lane. */
  get lanes(): LaneCounts {
    return { ...this.#lanes };
  }

  /** Ends streams that would go on for ever, now and from now on; calls that end by themselves may do so. */
  endStreams(): void {
    this.#isStopping = true;
    for (const call of this.#open) {
      this.#endIfStopping(call);
    }
  }

  /** Ends every call that is still open. */
  endAll(): void {
    for (const call of this.#open) {
      call.abort(fail('SERVER_STOPPING'));
    }
  }

  /** Answers a request over HTTP/2. Never throws. */
  accept(request: Http2Request): void {
    const { stream, headers, session } = request;
    session.calls += 1;
    // Whatever befalls the stream is told by its 'close'; without a listener an 'error' would end the process.
    stream.on('error', ignore);
    const served = this.#served(headers);
    const error = this.#refusal(request);
    if (served === undefined || error !== undefined) {
      this.#refuse(http2Exchange(stream, headers, session), error);
      return;
    }
    const { fast } = served;
    const taken =
      fast !== undefined && this.#options.useFastLane
        ? fastRequest(served, headers, this.#options.limits.readMaxBytes)
        : undefined;
    if (fast === undefined || taken === undefined) {
      this.#adapt(served, http2Exchange(stream, headers, session), session);
      return;
    }
    const call = new FastCall(this.#lane, stream, headers, { served, fast, request: taken, session });
    this.#open.add(call);
    call.span = serverSpan(call.rpc, call.headers);
    call.open();
    this.#endIfStopping(call);
  }

  /** Answers a request over HTTP/1.1. Never throws. */
  acceptHttp1(request: IncomingMessage, response: ServerResponse): void {
    request.on('error', ignore);
    response.on('error', ignore);
    if (this.#isStopping) {
      response.shouldKeepAlive = false;
    }
    const exchange = http1Exchange(request, response);
    const { headers } = exchange;
    const served = this.#served(headers);
    const isTooMany = request.rawHeaders.length / 2 > this.#options.limits.headerMaxCount;
    const error = isTooMany ? fail('MESSAGE_TOO_LARGE', 'There are too many request headers.') : undefined;
    if (served === undefined || error !== undefined) {
      this.#refuse(exchange, error);
    } else {
      this.#adapt(served, exchange);
    }
  }

  #endIfStopping(call: ServerCall): void {
    if (this.#isStopping && call.isStream) {
      call.abort(fail('STREAM_ENDED'));
    }
  }

  #served(headers: IncomingHttpHeaders): ServedMethod | undefined {
    const path = headers[':path'] ?? '';
    const { methods } = this.#options;
    return methods.get(path) ?? (path.includes('?') ? methods.get(path.slice(0, path.indexOf('?'))) : undefined);
  }

  /** Why a request is not even begun; undefined for one that is. */
  #refusal({ raw, session }: Http2Request): ConnectError | undefined {
    const { limits } = this.#options;
    if (headerBytes(raw) > limits.headerMaxBytes) {
      // Node advertises the limit but does not hold callers to it.
      return fail('MESSAGE_TOO_LARGE', 'The request headers are too large.');
    }
    return session.unsentBytes > limits.unsentMaxBytes
      ? fail('OVERLOADED', 'Earlier answers wait to be read on this connection.', {}, { retryAfterMs: 1_000 })
      : undefined;
  }

  /** @param known what is wrong with the request; undefined: there is no such RPC. */
  #refuse(exchange: Exchange, known: ConnectError | undefined): void {
    const error = known ?? brokenGet(exchange.headers);
    const told = error ?? unknownRpc(exchange.headers);
    const status = error === undefined ? NO_SUCH_PATH : codeToHttpStatus(told.code);
    void refuse(exchange, this.#options.isTyped ? told : untyped(told), status);
  }

  #adapt(served: ServedMethod, exchange: Exchange, session?: SessionState): void {
    const broken = brokenGet(exchange.headers);
    if (broken !== undefined) {
      this.#refuse(exchange, broken);
      return;
    }
    const timeoutMs = clampTimeout(requestedTimeoutMs(exchange.headers), served.capMs);
    const call = new ServerCall(served, exchange.headers, timeoutMs, session);
    this.#open.add(call);
    call.span = serverSpan(call.rpc, call.headers);
    call.start();
    exchange.onClose(() => {
      if (!call.isOver) {
        call.abort(fail('CANCELLED'));
      }
      call.stopClock();
      this.#open.delete(call);
    });
    void this.#answer(exchange, call, undefined);
  }

  /** A call that came on the fast lane and is not for it. */
  #takeOver(call: FastCall, already: AlreadyRead): void {
    void this.#answer(http2Exchange(call.stream, call.headers, call.session), call, already);
  }

  async #answer(exchange: Exchange, call: ServerCall, already: AlreadyRead | undefined): Promise<void> {
    this.#endIfStopping(call);
    const { isTyped } = this.#options;
    const work = () => answer(exchange, call, already === undefined ? { isTyped } : { isTyped, already });
    await (call.span === undefined ? work() : call.span.run(work));
    this.#lanes.adapter += 1;
    call.span?.end(call.error, 'adapter');
  }
}

/** What is wrong with the message of Connect's GET, over which Connect itself would fail. The fast lane takes none such. */
function brokenGet(headers: IncomingHttpHeaders): ConnectError | undefined {
  return headers[':method'] === 'GET' && hasBrokenMessage(headers)
    ? fail('MALFORMED_REQUEST', 'The message is not base64.')
    : undefined;
}

function ignore(): void {}
