/**
 * What handlers and interceptors see of a call on the fast lane: Connect's own types, made of getters, so that nobody pays for a
 * `Headers`, a URL or a signal that nobody looks at.
 */

import type { DescMethod, DescMethodUnary, DescService } from '@bufbuild/protobuf';
import {
  type ContextValues,
  createContextValues,
  type HandlerContext,
  type UnaryRequest,
  type UnaryResponse,
} from '@connectrpc/connect';
import { requestUrl, webHeaders } from '../../wire/web-headers.ts';
import type { ServerCall } from '../server-call.ts';
import type { Format } from './format.ts';

/** The context of a call on the fast lane. */
export class FastContext implements HandlerContext {
  readonly #call: ServerCall;
  readonly #format: Format;
  #requestHeader: Headers | undefined;
  #values: ContextValues | undefined;
  /** Headers of the answer, if anybody set or read them. */
  header: Headers | undefined;
  /** Trailers of the answer, if anybody set or read them. */
  trailer: Headers | undefined;

  constructor(call: ServerCall, format: Format) {
    this.#call = call;
    this.#format = format;
  }

  get method(): DescMethod {
    return this.#call.served.method;
  }

  get service(): DescService {
    return this.#call.served.method.parent;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get timeoutMs(): () => number | undefined {
    const { deadlineMs } = this.#call;
    return () => (deadlineMs === undefined ? undefined : deadlineMs - Date.now());
  }

  get requestMethod(): string {
    return this.#call.headers[':method'] ?? 'POST';
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= webHeaders(this.#call.headers);
    return this.#requestHeader;
  }

  get responseHeader(): Headers {
    this.header ??= new Headers({ 'content-type': this.#format.contentType });
    return this.header;
  }

  get responseTrailer(): Headers {
    this.trailer ??= new Headers(this.#format.protocol === 'grpc' ? { 'grpc-status': '0' } : undefined);
    return this.trailer;
  }

  get protocolName(): string {
    return this.#format.protocol;
  }

  get values(): ContextValues {
    this.#values ??= createContextValues();
    return this.#values;
  }

  get url(): string {
    return requestUrl(this.#call.headers);
  }
}

/** Streams with interceptors go by the adapter, so what interceptors see here is unary. */
function unaryMethod({ method }: FastContext): DescMethodUnary {
  return method as DescMethodUnary;
}

/** The request that interceptors see: its properties are its own, since `{...request}` is how they change it. */
export function interceptedRequest(context: FastContext, message: UnaryRequest['message']): UnaryRequest {
  return {
    stream: false,
    message,
    method: unaryMethod(context),
    service: context.service,
    requestMethod: context.requestMethod,
    get url() {
      return context.url;
    },
    get signal() {
      return context.signal;
    },
    get header() {
      return context.requestHeader;
    },
    get contextValues() {
      return context.values;
    },
  };
}

/** The context that the handler sees once interceptors have had the request. */
export function contextOf(context: FastContext, request: UnaryRequest): HandlerContext {
  return {
    method: context.method,
    service: context.service,
    requestMethod: context.requestMethod,
    protocolName: context.protocolName,
    timeoutMs: context.timeoutMs,
    get url() {
      return context.url;
    },
    get signal() {
      return request.signal;
    },
    get requestHeader() {
      return request.header;
    },
    get values() {
      return request.contextValues;
    },
    get responseHeader() {
      return context.responseHeader;
    },
    get responseTrailer() {
      return context.responseTrailer;
    },
  };
}

/** The response that interceptors see. */
export function interceptedResponse(context: FastContext, message: UnaryResponse['message']): UnaryResponse {
  return {
    stream: false,
    message,
    method: unaryMethod(context),
    service: context.service,
    get header() {
      return context.responseHeader;
    },
    get trailer() {
      return context.responseTrailer;
    },
  };
}
