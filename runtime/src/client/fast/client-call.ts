/**
 * One unary call on the fast lane, from its bytes to its answer, on node:http2's core stream API. It waits for a connection, is
 * repeated where the peer says that it was not begun, and ends at its deadline or by a signal, whatever the peer does.
 */

import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { Code, ConnectError, type UnaryResponse } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import type { Call } from '../../server/call.ts';
import type { CallSpan } from '../../telemetry/spans.ts';
import { timers, type WheelEntry } from '../../timer-wheel.ts';
import { UnaryBody } from '../../wire/unary-body.ts';
import { abortedError, lateFromMs, timedOut, unsendable } from '../aborted.ts';
import type { PooledSession } from '../session/pooled-session.ts';
import type { SessionPool, Waiting } from '../session/session-pool.ts';
import { type AnswerHeaders, connectBody, connectError, FastResponse, grpcBody } from './answer.ts';
import type { ClientMethod } from './client-method.ts';
import { resetError } from './reset-error.ts';

/** How often a call is begun anew when the peer did not begin it. */
const ATTEMPTS_MAX = 4;
const CALL = Symbol('call');
type FastStream = ClientHttp2Stream & { [CALL]: ClientCall | undefined };

/** What a call is made of. */
export type CallSetup = {
  readonly pool: SessionPool;
  readonly rpc: ClientMethod;
  /** Names and values of the request's headers. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  /** Until it is ended, in milliseconds. */
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** The call that is being answered, whose end ends this one too. */
  readonly parent: Call | undefined;
  readonly readMaxBytes: number;
  readonly acceptCompression: readonly Compression[];
  readonly span: CallSpan | undefined;
  /** The error for the code that called. `isCancelled`: by this process. */
  readonly errorOf: (error: ConnectError, isCancelled: boolean) => ConnectError;
};

/** A call that is being made. */
export class ClientCall implements Waiting {
  readonly #setup: CallSetup;
  readonly #resolve: (response: UnaryResponse) => void;
  readonly #reject: (error: ConnectError) => void;
  #stream: ClientHttp2Stream | undefined;
  #session: PooledSession | undefined;
  #deadline: WheelEntry | undefined;
  #forgetParent: (() => void) | undefined;
  #lateMs = Number.POSITIVE_INFINITY;
  #attempts = 0;
  #isSettled = false;
  #isComplete = false;
  /** Whether the answer was handed on to be read, which takes a while where it is compressed. */
  #isRead = false;
  #error: unknown;
  #headers: AnswerHeaders | undefined;
  #trailers: IncomingHttpHeaders | undefined;
  readonly #body: UnaryBody;

  constructor(setup: CallSetup, resolve: (response: UnaryResponse) => void, reject: (error: ConnectError) => void) {
    this.#setup = setup;
    this.#body = new UnaryBody(setup.readMaxBytes, setup.rpc.isGrpc);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Begins the call. */
  start(): void {
    const { timeoutMs, signal, parent, pool } = this.#setup;
    if (signal?.aborted) {
      this.#fail(abortedError(signal.reason), true);
      return;
    }
    if (timeoutMs !== undefined) {
      this.#lateMs = lateFromMs(timeoutMs);
      this.#deadline = timers.schedule(timeoutMs, this);
    }
    signal?.addEventListener('abort', this, { once: true });
    if (parent !== undefined) {
      this.#forgetParent = parent.onAbort((reason) => this.#fail(abortedError(reason), true));
    }
    if (!this.#isSettled) {
      pool.begin(this);
    }
  }

  begin(session: PooledSession): void {
    this.#attempts += 1;
    let stream: ClientHttp2Stream;
    try {
      stream = session.http2.request(this.#setup.headers as string[]);
    } catch (error) {
      // Node judges the headers at once; what is wrong with the connection it tells the stream later.
      this.#fail(unsendable(error), false);
      return;
    }
    session.opened();
    this.#session = session;
    this.#stream = stream;
    (stream as FastStream)[CALL] = this;
    stream.on('response', onResponse);
    stream.on('data', onData);
    stream.on('trailers', onTrailers);
    stream.on('end', onEnd);
    stream.on('error', onError);
    stream.on('close', onClose);
    stream.end(this.#setup.body);
  }

  refused(error: ConnectError): void {
    this.#fail(error, false);
  }

  /** The signal has aborted. */
  handleEvent(): void {
    this.#fail(abortedError(this.#setup.signal?.reason), true);
  }

  /** Called by the timer wheel when the deadline has passed. */
  onExpire(): void {
    this.#fail(timedOut(), false);
  }

  responded(headers: AnswerHeaders): void {
    this.#headers = headers;
    const { rpc, readMaxBytes } = this.#setup;
    if (!rpc.isGrpc && Number(headers['content-length']) > readMaxBytes) {
      this.#refuseLarge();
    }
  }

  trailed(trailers: IncomingHttpHeaders): void {
    this.#trailers = trailers;
  }

  /** Takes a piece of the answer. */
  received(chunk: Uint8Array): void {
    if (!this.#isSettled && !this.#body.add(chunk)) {
      this.#refuseLarge();
    }
  }

  /**
   * The answer has ended, or was cut off. A status tells that it is whole, or that the stream is open still, and only the request
   * unfinished; else the stream's 'close' tells.
   */
  complete(): void {
    this.#isComplete = true;
    const headers = this.#headers;
    const stream = this.#stream;
    if (headers === undefined || stream === undefined || this.#isSettled) {
      return;
    }
    const hasStatus = this.#trailers?.['grpc-status'] !== undefined || headers['grpc-status'] !== undefined;
    if (hasStatus || !stream.closed) {
      this.#read(headers);
      // A peer that has answered early need not read the rest of the request, and the call would keep its place for ever.
      if (!stream.closed) {
        stream.close(constants.NGHTTP2_CANCEL);
      }
    }
  }

  broken(error: unknown): void {
    this.#error ??= error;
  }

  /** The stream has closed. */
  closed(): void {
    const session = this.#session;
    const stream = this.#stream;
    const rstCode = stream?.rstCode ?? constants.NGHTTP2_NO_ERROR;
    this.#session = undefined;
    this.#stream = undefined;
    session?.closed();
    if (this.#isSettled || this.#isRead) {
      return;
    }
    if (this.#headers === undefined && session?.neverBegan(stream?.id, rstCode)) {
      this.#beginAnew(session, stream?.id);
      return;
    }
    const hasAnswer = this.#headers !== undefined && this.#isComplete;
    // A peer that has answered may reset what it does not want to read of the request (RFC 9113 8.1).
    const isAnswered = hasAnswer && (rstCode === constants.NGHTTP2_NO_ERROR || this.#trailers !== undefined);
    if (isAnswered && this.#error === undefined && this.#isWhole()) {
      this.#read(this.#headers ?? {});
    } else if (rstCode === constants.NGHTTP2_CANCEL && performance.now() >= this.#lateMs) {
      this.onExpire();
    } else {
      this.#fail(resetError(rstCode, this.#error, session?.isGone ?? true), false);
    }
  }

  /** Whether as much came as was announced: a reset that says that nothing is wrong cuts off too. */
  #isWhole(): boolean {
    const announced = this.#headers?.['content-length'];
    return announced === undefined || Number(announced) === this.#body.receivedBytes;
  }

  #beginAnew(session: PooledSession, streamId: number | undefined): void {
    const cause = this.#error;
    if (this.#attempts >= ATTEMPTS_MAX) {
      const said = `the call was turned away ${this.#attempts} times`;
      this.#fail(new ConnectError(said, Code.Unavailable, undefined, undefined, cause), false);
      return;
    }
    if (streamId === undefined) {
      // The connection has no numbers left, or is on its way out.
      session.retire();
    }
    this.#error = undefined;
    this.#isComplete = false;
    this.#setup.pool.begin(this);
  }

  #refuseLarge(): void {
    const said = `message size is larger than configured readMaxBytes ${this.#setup.readMaxBytes}`;
    this.#fail(new ConnectError(said, Code.ResourceExhausted), false);
  }

  #read(headers: AnswerHeaders): void {
    this.#isRead = true;
    const { rpc, acceptCompression } = this.#setup;
    const body = this.#body.whole();
    try {
      const read: ReturnType<typeof connectBody> = rpc.isGrpc
        ? { ...grpcBody(headers, this.#trailers, body, acceptCompression), error: undefined }
        : connectBody(rpc, headers, body, acceptCompression);
      if (read.compression === undefined) {
        this.#finish(headers, read.bytes, read.error);
        return;
      }
      read.compression.decompress(read.bytes, this.#setup.readMaxBytes).then(
        (bytes) => this.#finish(headers, bytes, read.error),
        (error: unknown) => this.#fail(ConnectError.from(error, Code.Internal), false),
      );
    } catch (error) {
      this.#fail(ConnectError.from(error, Code.Internal), false);
    }
  }

  #finish(headers: IncomingHttpHeaders, bytes: Uint8Array, error: ConnectError | undefined): void {
    if (this.#isSettled) {
      return;
    }
    const { rpc, span } = this.#setup;
    if (error !== undefined) {
      this.#fail(connectError(bytes, headers, error), false);
      return;
    }
    let response: FastResponse;
    try {
      const trailers = rpc.isGrpc ? (this.#trailers ?? {}) : undefined;
      response = new FastResponse(rpc.method, rpc.codec.parse(bytes), headers, trailers);
    } catch (unreadable) {
      this.#fail(ConnectError.from(unreadable, Code.Internal), false);
      return;
    }
    this.#settle();
    span?.end(undefined, 'fast');
    this.#resolve(response);
  }

  #fail(error: ConnectError, isCancelled: boolean): void {
    if (this.#isSettled) {
      return;
    }
    this.#settle();
    const { span, errorOf, pool } = this.#setup;
    if (this.#stream === undefined) {
      pool.leave(this);
    } else {
      this.#stream.close(constants.NGHTTP2_CANCEL);
    }
    const told = errorOf(error, isCancelled);
    span?.end(told, 'fast');
    this.#reject(told);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#deadline?.cancel();
    this.#forgetParent?.();
    this.#setup.signal?.removeEventListener('abort', this);
    this.#body.forget();
  }
}

function onResponse(this: FastStream, headers: AnswerHeaders): void {
  this[CALL]?.responded(headers);
}

function onTrailers(this: FastStream, trailers: IncomingHttpHeaders): void {
  this[CALL]?.trailed(trailers);
}

function onData(this: FastStream, chunk: Uint8Array): void {
  this[CALL]?.received(chunk);
}

function onEnd(this: FastStream): void {
  this[CALL]?.complete();
}

function onError(this: FastStream, error: unknown): void {
  this[CALL]?.broken(error);
}

function onClose(this: FastStream): void {
  const call = this[CALL];
  // Node's native part of a stream lives until the next major collection, and whatever the stream holds lives with it.
  this[CALL] = undefined;
  call?.closed();
}
