/**
 * One call on the fast lane, from its headers to its answer, on node:http2's core stream API. It serves what is well
 * formed; a body that is not goes, with all that was read of it, to the adapter, whose answer to it is Connect's own.
 */

import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { create, type DescMessage, isMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import type { ConnectError, Interceptor, UnaryRequest, UnaryResponse } from '@connectrpc/connect';
import type { RpcCodec } from '../../codec/rpc-codec.ts';
import { fail } from '../../errors/fail.ts';
import { ENVELOPE_HEAD_BYTES, messageOf, withRoom } from '../../wire/envelope.ts';
import { UnaryBody } from '../../wire/unary-body.ts';
import { discard } from '../adapter/request-body.ts';
import { runInCall } from '../call.ts';
import type { ServedMethod } from '../served-method.ts';
import { ServerCall } from '../server-call.ts';
import type { SessionState } from '../session-state.ts';
import { check } from '../validate.ts';
import { endStream, writeAnswer, writeError } from './answer.ts';
import { contextOf, FastContext, interceptedRequest, interceptedResponse } from './context.ts';
import type { FastMethod } from './fast-method.ts';
import type { Agreed, Format } from './format.ts';
import { cutOff, sendMessages } from './server-stream.ts';

/** What a call on the fast lane asks of the server. */
export type FastLane = {
  readonly readMaxBytes: number;
  readonly compressMinBytes: number;
  /** The error to send for what a handler threw. */
  readonly errorOf: (error: unknown) => ConnectError;
  /** Gives a call to the adapter, with what was read of its body. */
  readonly handOver: (call: FastCall, chunks: readonly Uint8Array[], isComplete: boolean) => void;
  /** Told when a call has its answer, or never will. */
  readonly done: (call: FastCall) => void;
  /** Told when a call's stream has closed. */
  readonly closed: (call: FastCall) => void;
};

const EMPTY = Buffer.alloc(0);
const CALL = Symbol('call');
type FastStream = ServerHttp2Stream & { [CALL]: FastCall | undefined };

/** How a request came: its format, what is compressed, and, for Connect's GET, the message that its query holds. */
export type FastRequest = {
  readonly format: Format;
  readonly agreed: Agreed;
  readonly timeoutMs: number | undefined;
  readonly got: Uint8Array | undefined;
};

/** A call on the fast lane. */
export class FastCall extends ServerCall {
  readonly stream: ServerHttp2Stream;
  readonly fast: FastMethod;
  readonly format: Format;
  readonly agreed: Agreed;
  readonly lane: FastLane;
  declare readonly session: SessionState;
  readonly context: FastContext;
  /** Whether the headers of a stream of answers are sent. */
  hasBegun = false;
  /** Whether a stream of answers waits for its caller to read. */
  isBlocked = false;
  #unsentBytes = 0;
  readonly #got: Uint8Array | undefined;
  readonly #body: UnaryBody;
  #isComplete = false;
  #isHandedOver = false;

  constructor(
    lane: FastLane,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    called: {
      readonly served: ServedMethod;
      readonly fast: FastMethod;
      readonly request: FastRequest;
      readonly session: SessionState;
    },
  ) {
    super(called.served, headers, called.request.timeoutMs, called.session);
    this.lane = lane;
    this.stream = stream;
    this.fast = called.fast;
    this.format = called.request.format;
    this.#body = new UnaryBody(lane.readMaxBytes, this.format.protocol === 'grpc');
    this.agreed = called.request.agreed;
    this.#got = called.request.got;
    this.context = new FastContext(this, this.format);
  }

  get #codec(): RpcCodec {
    return this.format.isBinary ? this.fast.binary : this.fast.json;
  }

  /** Begins to read the request. */
  open(): void {
    const stream = this.stream as FastStream;
    stream[CALL] = this;
    stream.on('close', onClose);
    this.start();
    if (this.isOver) {
      return;
    }
    if (this.#got !== undefined) {
      this.#isComplete = true;
      stream.resume();
      this.#read(this.#got, this.agreed.request !== null);
      return;
    }
    stream.on('data', onData);
    stream.on('end', onEnd);
  }

  /** Takes a piece of the body. */
  received(chunk: Uint8Array): void {
    // What is too large is the adapter's to refuse.
    if (!this.isOver && !this.#body.add(chunk)) {
      this.#handOver();
    }
  }

  /** The body is complete. */
  complete(): void {
    this.#isComplete = true;
    if (this.isOver) {
      return;
    }
    const body = this.#body.whole();
    if (this.format.protocol === 'connect') {
      this.#read(body, this.agreed.request !== null);
      return;
    }
    const message = messageOf(body, this.agreed.request !== null);
    if (message === undefined) {
      this.#handOver();
    } else {
      this.#read(message.bytes, message.isCompressed);
    }
  }

  /** The stream has closed, for whatever reason. */
  close(): void {
    if (!this.isOver) {
      this.abort(fail('CANCELLED'));
    }
    this.stopClock();
    this.countUnsent(0);
    this.lane.closed(this);
  }

  /** Notes how much of the answer is written and may not have been read, in bytes. */
  countUnsent(bytes: number): void {
    this.session.unsentBytes += bytes - this.#unsentBytes;
    this.#unsentBytes = bytes;
  }

  /** Sends an error, unless the call is over. */
  fail(error: unknown): void {
    if (!this.isOver) {
      // On behalf of the call, so that what is logged of it names it.
      this.#finish(runInCall(this, this.lane.errorOf, error), EMPTY, false);
    }
  }

  protected override ended(reason: ConnectError): void {
    if (this.#isHandedOver) {
      return;
    }
    this.error = reason;
    if (this.isBlocked) {
      cutOff(this.stream);
    } else if (!this.stream.closed && !this.stream.destroyed) {
      this.#write(() => writeError(this, reason));
    }
    this.lane.done(this);
  }

  /** A deadline that passes while the answer is on its way finds a caller that does not read it. */
  override onExpire(): void {
    if (this.isOver) {
      this.stream.close(constants.NGHTTP2_CANCEL);
    } else {
      super.onExpire();
    }
  }

  #handOver(): void {
    const stream = this.stream as FastStream;
    this.#isHandedOver = true;
    stream.off('data', onData);
    stream.off('end', onEnd);
    this.lane.handOver(this, this.#body.chunks, this.#isComplete);
    this.#body.forget();
  }

  #read(bytes: Uint8Array, isCompressed: boolean): void {
    const { request } = this.agreed;
    if (request === null || !isCompressed) {
      this.#parse(bytes);
      return;
    }
    request.decompress(bytes, this.lane.readMaxBytes).then(
      (plain) => this.#parse(plain),
      (error: unknown) => this.fail(error),
    );
  }

  #parse(bytes: Uint8Array): void {
    if (this.isOver) {
      return;
    }
    let message: MessageShape<DescMessage>;
    try {
      message = this.#codec.parse(bytes);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#body.forget();
    if (this.span === undefined) {
      runInCall(this, invoke, this, message);
    } else {
      this.span.run(() => runInCall(this, invoke, this, message));
    }
  }

  /** Has the handler answer a message. */
  invoke(message: MessageShape<DescMessage>): void {
    const { fast, context } = this;
    try {
      if (fast.hasRules) {
        check(fast.method.input, message);
      }
      if (fast.method.methodKind === 'server_streaming') {
        void this.#stream(fast.handler(message, context) as AsyncIterable<unknown>);
        return;
      }
      const output =
        fast.interceptors.length === 0 ? fast.handler(message, context) : this.#intercept(fast.interceptors, message);
      if (isThenable(output)) {
        output.then(
          (value) => this.#succeed(value),
          (error: unknown) => this.fail(error),
        );
      } else {
        this.#succeed(output);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  async #intercept(interceptors: readonly Interceptor[], message: MessageShape<DescMessage>): Promise<unknown> {
    const { context, fast } = this;
    const asked = interceptedRequest(context, message);
    let answered: UnaryResponse | undefined;
    const handle = async (request: UnaryRequest): Promise<UnaryResponse> => {
      // A request that was passed on as it came needs no context of its own.
      const handlerContext = request === asked ? context : contextOf(context, request);
      const output = await fast.handler(request.message, handlerContext);
      answered = interceptedResponse(context, normalize(fast.method.output, output));
      return answered;
    };
    // As in Connect: the first is outermost. An interceptor does not know that only unary calls come here.
    const next = interceptors.reduceRight<ReturnType<Interceptor>>(
      (inner, interceptor) => interceptor(inner),
      handle as ReturnType<Interceptor>,
    );
    const response = await next(asked);
    if (response !== answered && !this.isOver) {
      context.header = response.header;
      context.trailer = response.trailer;
    }
    return response.message;
  }

  #succeed(output: unknown): void {
    if (this.isOver) {
      return;
    }
    const { fast, format } = this;
    const headBytes = format.protocol === 'grpc' ? ENVELOPE_HEAD_BYTES : 0;
    let bytes: Uint8Array;
    try {
      bytes = this.#codec.serialize(normalize(fast.method.output, output), headBytes);
    } catch (error) {
      this.fail(error);
      return;
    }
    const compression = this.agreed.response;
    if (compression === null || bytes.byteLength - headBytes < this.lane.compressMinBytes) {
      this.#answer(bytes, false);
      return;
    }
    compression.compress(bytes.subarray(headBytes)).then(
      (compressed) => {
        if (!this.isOver) {
          this.#answer(withRoom(compressed, headBytes), true);
        }
      },
      (error: unknown) => this.fail(error),
    );
  }

  /** @param message with room for an envelope's head in front of it, where the protocol has envelopes. */
  #answer(message: Uint8Array, isCompressed: boolean): void {
    this.#finish(undefined, message, isCompressed);
  }

  #finish(error: ConnectError | undefined, message: Uint8Array, isCompressed: boolean): void {
    this.answered();
    this.#write(() => (error === undefined ? writeAnswer(this, message, isCompressed) : writeError(this, error)));
    this.lane.done(this);
  }

  #write(write: () => void): void {
    try {
      write();
    } catch (unsendable) {
      // Node refuses headers that cannot be sent; what was wrong with them is the handler's affair.
      this.error = runInCall(this, this.lane.errorOf, unsendable);
      this.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    }
    this.#discardRest();
  }

  /** A handler that answers with a stream, and is asked without interceptors. */
  async #stream(messages: AsyncIterable<unknown>): Promise<void> {
    const { fast } = this;
    const codec = this.#codec;
    try {
      await sendMessages(this, messages, (message) =>
        codec.serialize(normalize(fast.method.output, message), ENVELOPE_HEAD_BYTES),
      );
    } catch (error) {
      this.fail(error);
      return;
    }
    if (!this.isOver) {
      this.answered();
      this.#write(() => endStream(this));
      this.lane.done(this);
    }
  }

  #discardRest(): void {
    if (!this.#isComplete) {
      discard(this.stream);
    }
  }
}

function invoke(call: FastCall, message: MessageShape<DescMessage>): void {
  call.invoke(message);
}

function onData(this: FastStream, chunk: Uint8Array): void {
  this[CALL]?.received(chunk);
}

function onEnd(this: FastStream): void {
  // Node ends the body of a caller that left in the middle of it too; 'close' comes next, and cancels.
  if (!this.aborted) {
    this[CALL]?.complete();
  }
}

function onClose(this: FastStream): void {
  const call = this[CALL];
  // Node's native part of a stream lives until the next major collection, and whatever the stream holds lives with it.
  this[CALL] = undefined;
  call?.close();
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function normalize<Desc extends DescMessage>(schema: Desc, output: unknown): MessageShape<Desc> {
  // What a handler returns is checked by the compiler, as with Connect.
  return isMessage(output, schema) ? output : create(schema, output as MessageInitShape<Desc>);
}
