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
import { ConnectError, createContextValues, type Transport, type UnaryResponse } from '@connectrpc/connect';
import { runUnaryCall } from '@connectrpc/connect/protocol';
import { requestHeaderWithCompression } from '@connectrpc/connect/protocol-connect';
import { requestHeaderWithCompression as grpcRequestHeader } from '@connectrpc/connect/protocol-grpc';
import type { Call } from '../../server/call.ts';
import type { CallSpan } from '../../telemetry/spans.ts';
import { ENVELOPE_HEAD_BYTES, seal, withRoom } from '../../wire/envelope.ts';
import type { ClientOptions } from '../options.ts';
import type { SessionPool } from '../session/session-pool.ts';
import { type CallSetup, ClientCall } from './client-call.ts';
import { type ClientMethod, clientMethod } from './client-method.ts';

type HeadersGiven = Parameters<Transport['unary']>[3];
type Input = MessageInitShape<DescMessage>;

/** A unary call as the lane is asked for it. */
export type FastCall = {
  readonly method: DescMethodUnary;
  readonly input: Input;
  readonly header: HeadersGiven;
  /** Names and values of headers that carry the trace. */
  readonly traceHeaders: readonly string[];
  readonly contextValues: Parameters<Transport['unary']>[5];
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly parent: Call | undefined;
  readonly span: CallSpan | undefined;
};

/** Headers that are the protocol's or HTTP's own, whatever a caller gives. */
const RESERVED = new Set(['host', 'connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'content-length']);

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
    if (asked.header !== undefined) {
      addOwn(headers, new Headers(asked.header), rpc);
    }
    return this.#send(rpc, headers, asked);
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
    let isSent = false;
    try {
      return await runUnaryCall<DescMessage, DescMessage>({
        interceptors: [...this.#options.interceptors],
        ...(asked.timeoutMs === undefined ? {} : { timeoutMs: asked.timeoutMs }),
        ...(asked.signal === undefined ? {} : { signal: asked.signal }),
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
          isSent = true;
          const headers = [...rpc.route];
          request.header.forEach((value, name) => {
            if (!RESERVED.has(name)) {
              headers.push(name, value);
            }
          });
          const response = await this.#send(rpc, headers, {
            ...asked,
            input: request.message,
            signal: request.signal,
            timeoutMs: undefined,
          });
          // Interceptors change a response by `{...response}`, which sees own properties only.
          const { message, header: answerHeader, trailer } = response;
          return {
            stream: false,
            service: asked.method.parent,
            method: asked.method,
            message,
            header: answerHeader,
            trailer,
          };
        },
      });
    } catch (error) {
      if (isSent) {
        throw error;
      }
      const told = this.#errorOf(ConnectError.from(error), asked.signal?.aborted ?? false);
      asked.span?.end(told, 'fast');
      throw told;
    }
  }

  #send(rpc: ClientMethod, headers: string[], asked: FastCall): Promise<UnaryResponse> {
    const { sendCompression, compressMinBytes, readMaxBytes, acceptCompression } = this.#options;
    const headBytes = rpc.isGrpc ? ENVELOPE_HEAD_BYTES : 0;
    let body: Uint8Array;
    try {
      body = rpc.serialize(messageOf(asked.method.input, asked.input), headBytes);
    } catch (error) {
      const told = this.#errorOf(ConnectError.from(error), false);
      asked.span?.end(told, 'fast');
      return Promise.reject(told);
    }
    const begin = (bytes: Uint8Array): Promise<UnaryResponse> =>
      new Promise((resolve, reject) => {
        const { timeoutMs, signal, parent, span } = asked;
        const setup = { pool: this.#pool, rpc, headers, body: bytes, timeoutMs, signal, parent, readMaxBytes };
        new ClientCall({ ...setup, acceptCompression, span, errorOf: this.#errorOf }, resolve, reject).start();
      });
    if (sendCompression === undefined || body.byteLength - headBytes < compressMinBytes) {
      return begin(rpc.isGrpc ? seal(body, false) : body);
    }
    headers.push(rpc.isGrpc ? 'grpc-encoding' : 'content-encoding', sendCompression.name);
    return sendCompression
      .compress(body.subarray(headBytes))
      .then((compressed) => begin(rpc.isGrpc ? seal(withRoom(compressed), true) : compressed));
  }
}

/** The caller's own headers: the protocol's are not for it to set, but for the name by which it goes. */
function addOwn(headers: string[], given: Headers, { protocolHeaders }: ClientMethod): void {
  given.forEach((value, name) => {
    const at = protocolHeaders.indexOf(name);
    if (name === 'user-agent' && at >= 0) {
      headers[headers.indexOf(name) + 1] = value;
    } else if (at < 0 && !RESERVED.has(name)) {
      headers.push(name, value);
    }
  });
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
