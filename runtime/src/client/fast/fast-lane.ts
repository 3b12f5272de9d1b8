/**
 * The lane for unary gRPC and unary Connect over HTTP/2: puts a request together and has `ClientCall` make it.
 */

import {
  create,
  type DescMessage,
  type DescMethodUnary,
  isMessage,
  type JsonReadOptions,
  type JsonWriteOptions,
  type MessageInitShape,
} from '@bufbuild/protobuf';
import { Code, ConnectError, createContextValues, type Transport, type UnaryResponse } from '@connectrpc/connect';
import { runUnaryCall } from '@connectrpc/connect/protocol';
import { requestHeaderWithCompression } from '@connectrpc/connect/protocol-connect';
import { requestHeaderWithCompression as grpcRequestHeader } from '@connectrpc/connect/protocol-grpc';
import type { Call } from '../../server/call.ts';
import type { CallSpan } from '../../telemetry/spans.ts';
import { ENVELOPE_HEAD_BYTES, seal, withRoom } from '../../wire/envelope.ts';
import type { ClientOptions } from '../options.ts';
import { isSendable } from '../own-headers.ts';
import type { SessionPool } from '../session/session-pool.ts';
import { type CallSetup, ClientCall } from './client-call.ts';
import { type ClientMethod, clientMethod, USER_AGENT } from './client-method.ts';

type Input = MessageInitShape<DescMessage>;

/** A unary call as the lane is asked for it. */
export type FastCall = {
  readonly method: DescMethodUnary;
  readonly input: Input;
  /** The caller's own. */
  readonly header: Headers | undefined;
  /** Names and values of headers that carry the trace. */
  readonly traceHeaders: readonly string[];
  readonly contextValues: Parameters<Transport['unary']>[5];
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly parent: Call | undefined;
  readonly span: CallSpan | undefined;
};

/** Makes unary calls. */
export class FastLane {
  readonly #options: ClientOptions;
  readonly #pool: SessionPool;
  readonly #jsonOptions: Partial<JsonReadOptions & JsonWriteOptions>;
  readonly #errorOf: CallSetup['errorOf'];
  readonly #methods = new Map<DescMethodUnary, ClientMethod>();

  constructor(
    options: ClientOptions,
    pool: SessionPool,
    jsonOptions: Partial<JsonReadOptions & JsonWriteOptions>,
    errorOf: CallSetup['errorOf'],
  ) {
    this.#options = options;
    this.#pool = pool;
    this.#jsonOptions = jsonOptions;
    this.#errorOf = errorOf;
  }

  /** Makes a call. */
  unary(asked: FastCall): Promise<UnaryResponse> {
    const rpc = this.#rpc(asked.method);
    if (this.#options.interceptors.length > 0) {
      return this.#intercepted(rpc, asked);
    }
    const headers = [...rpc.route, ...rpc.protocolHeaders, ...asked.traceHeaders];
    if (asked.timeoutMs !== undefined) {
      headers.push(rpc.isGrpc ? 'grpc-timeout' : 'connect-timeout-ms', timeoutText(asked.timeoutMs, rpc.isGrpc));
    }
    addOwn(headers, asked.header, asked.traceHeaders);
    return this.#send(rpc, headers, asked, this.#errorOf);
  }

  #rpc(method: DescMethodUnary): ClientMethod {
    let rpc = this.#methods.get(method);
    if (rpc === undefined) {
      rpc = clientMethod(method, this.#options, this.#jsonOptions);
      this.#methods.set(method, rpc);
    }
    return rpc;
  }

  /** As Connect runs interceptors: they see the headers of the protocol too, and what they make of the request is sent. */
  async #intercepted(rpc: ClientMethod, asked: FastCall): Promise<UnaryResponse> {
    const { isBinary, acceptCompression, sendCompression, authority, tls } = this.#options;
    const given = new Headers(asked.header);
    for (let index = 0; index < asked.traceHeaders.length; index += 2) {
      given.set(asked.traceHeaders[index] ?? '', asked.traceHeaders[index + 1] ?? '');
    }
    const accept = [...acceptCompression];
    const header = rpc.isGrpc
      ? grpcRequestHeader(isBinary, asked.timeoutMs, given, accept, sendCompression ?? null)
      : requestHeaderWithCompression('unary', isBinary, asked.timeoutMs, given, accept, sendCompression ?? null, true);
    header.delete(rpc.isGrpc ? 'grpc-encoding' : 'content-encoding');
    const { parent, span } = asked;
    const signals = [asked.signal, parent?.signal].filter((one) => one !== undefined);
    const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
    try {
      const response = await runUnaryCall<DescMessage, DescMessage>({
        interceptors: [...this.#options.interceptors],
        ...(asked.timeoutMs === undefined ? {} : { timeoutMs: asked.timeoutMs }),
        ...(signal === undefined ? {} : { signal }),
        req: {
          stream: false,
          service: asked.method.parent,
          method: asked.method,
          requestMethod: 'POST',
          url: `${tls === undefined ? 'http' : 'https'}://${authority}/${asked.method.parent.typeName}/${asked.method.name}`,
          header,
          contextValues: asked.contextValues ?? createContextValues(),
          message: asked.input,
        },
        next: async (request) => {
          const headers = [...rpc.route];
          request.header.forEach((value, name) => {
            if (isSendable(name)) {
              headers.push(name, value);
            }
          });
          const { method, input, ...rest } = asked;
          const own = { ...rest, method, input: request.message, signal: request.signal, parent: undefined };
          // Interceptors see errors as they were received, and may begin a call more than once; its span is one.
          const response = await this.#send(rpc, headers, { ...own, span: undefined }, asReceived);
          // Interceptors change a response by `{...response}`, which sees own properties only.
          const { message, header: answerHeader, trailer } = response;
          return { stream: false, service: method.parent, method, message, header: answerHeader, trailer };
        },
      });
      span?.end(undefined, 'fast');
      return response;
    } catch (error) {
      const told = this.#errorOf(ConnectError.from(error), signal?.aborted ?? false);
      span?.end(told, 'fast');
      throw told;
    }
  }

  #send(
    rpc: ClientMethod,
    headers: string[],
    asked: Omit<FastCall, 'header' | 'traceHeaders' | 'contextValues'>,
    errorOf: CallSetup['errorOf'],
  ): Promise<UnaryResponse> {
    const { sendCompression, compressMinBytes, readMaxBytes, acceptCompression } = this.#options;
    const headBytes = rpc.isGrpc ? ENVELOPE_HEAD_BYTES : 0;
    const refuse = (error: unknown): Promise<never> => {
      const told = errorOf(ConnectError.from(error, Code.Internal), false);
      asked.span?.end(told, 'fast');
      return Promise.reject(told);
    };
    const begin = (bytes: Uint8Array): Promise<UnaryResponse> =>
      new Promise((resolve, reject) => {
        const { timeoutMs, signal, parent, span } = asked;
        const setup = { pool: this.#pool, rpc, headers, body: bytes, timeoutMs, signal, parent, readMaxBytes };
        new ClientCall({ ...setup, acceptCompression, span, errorOf }, resolve, reject).start();
      });
    let body: Uint8Array;
    try {
      body = rpc.codec.serialize(messageOf(asked.method.input, asked.input), headBytes);
    } catch (error) {
      return refuse(error);
    }
    if (sendCompression === undefined || body.byteLength - headBytes < compressMinBytes) {
      return begin(rpc.isGrpc ? seal(body, false) : body);
    }
    headers.push(rpc.isGrpc ? 'grpc-encoding' : 'content-encoding', sendCompression.name);
    return sendCompression
      .compress(body.subarray(headBytes))
      .then((compressed) => begin(rpc.isGrpc ? seal(withRoom(compressed), true) : compressed), refuse);
  }
}

/** The caller's own headers; the trace is ours to tell. */
function addOwn(headers: string[], given: Headers | undefined, traceHeaders: readonly string[]): void {
  headers.push('user-agent', given?.get('user-agent') ?? USER_AGENT);
  given?.forEach((value, name) => {
    if (name !== 'user-agent' && !isNameIn(traceHeaders, name)) {
      headers.push(name, value);
    }
  });
}

function isNameIn(headers: readonly string[], name: string): boolean {
  return headers.some((text, index) => index % 2 === 0 && text === name);
}

function asReceived(error: ConnectError): ConnectError {
  return error;
}

/** gRPC's timeouts have eight digits at most: longer ones are told in seconds. */
function timeoutText(timeoutMs: number, isGrpc: boolean): string {
  const ms = Math.ceil(timeoutMs);
  if (!isGrpc) {
    return String(Math.min(ms, 9_999_999_999));
  }
  return ms <= 99_999_999 ? `${ms}m` : `${Math.min(Math.ceil(ms / 1_000), 99_999_999)}S`;
}

function messageOf(schema: DescMessage, input: Input) {
  return isMessage(input, schema) ? input : create(schema, input);
}
