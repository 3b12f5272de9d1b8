/**
 * The suite's ConformanceService: each request says how to answer it, and each answer says what was seen of the request. What
 * each RPC must do stands at its declaration in the suite's service.proto.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import { addHeaders, connectError, listHeaders } from './convert.ts';
import {
  type BidiStreamRequest,
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayloadSchema,
  type ConformanceService,
  IdempotentUnaryRequestSchema,
  type RequestInfo,
  RequestInfoSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  type SuiteError,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from './messages.ts';

/** A call, and the time that it had when it came: later there is less. */
type Call = { readonly context: HandlerContext; readonly timeoutMs: number | undefined };
type Payload = { payload: MessageInitShape<typeof ConformancePayloadSchema> };

/** The service. `onCall` is told of each call that reaches a handler, by the name of its RPC. */
export function conformanceService(onCall: (rpc: string) => void): ServiceImpl<typeof ConformanceService> {
  const observe = (context: HandlerContext): Call => {
    onCall(context.method.name);
    return { context, timeoutMs: context.timeoutMs() };
  };
  return {
    unary(request, context) {
      const call = observe(context);
      return answerOnce(request.responseDefinition, [anyPack(UnaryRequestSchema, request)], call);
    },
    idempotentUnary(request, context) {
      const call = observe(context);
      return answerOnce(request.responseDefinition, [anyPack(IdempotentUnaryRequestSchema, request)], call);
    },
    unimplemented(_, context) {
      observe(context);
      throw new ConnectError(`${context.method.name} is not implemented`, Code.Unimplemented);
    },
    async clientStream(requests, context) {
      const call = observe(context);
      let definition: UnaryResponseDefinition | undefined;
      const seen: Any[] = [];
      for await (const request of requests) {
        if (seen.length === 0) {
          definition = request.responseDefinition;
        }
        seen.push(anyPack(ClientStreamRequestSchema, request));
      }
      return answerOnce(definition, seen, call);
    },
    async *serverStream(request, context) {
      const call = observe(context);
      const definition = request.responseDefinition;
      begin(definition, context);
      const seen = [anyPack(ServerStreamRequestSchema, request)];
      yield* answerRest(definition, 0, seen, call);
      end(definition, seen, call);
    },
    async *bidiStream(requests, context) {
      const call = observe(context);
      let definition: StreamResponseDefinition | undefined;
      let answered = 0;
      let seen: Any[] = [];
      let first: BidiStreamRequest | undefined;
      for await (const request of requests) {
        if (first === undefined) {
          first = request;
          definition = request.responseDefinition;
          begin(definition, context);
        }
        seen.push(anyPack(BidiStreamRequestSchema, request));
        if (!first.fullDuplex) {
          continue;
        }
        const data = definition?.responseData[answered];
        if (data === undefined) {
          // There is nothing left to answer with: what remains is the error, if there is one.
          break;
        }
        await delay(definition?.responseDelayMs ?? 0);
        yield payload(data, requestInfo(seen, call));
        answered += 1;
        seen = [];
      }
      yield* answerRest(definition, answered, seen, call);
      end(definition, seen, call);
    },
  };
}

function requestInfo(requests: Any[], { context, timeoutMs }: Call): RequestInfo {
  const query = context.requestMethod === 'GET' ? new URL(context.url).searchParams : undefined;
  return create(RequestInfoSchema, {
    requestHeaders: listHeaders(context.requestHeader),
    requests,
    ...(timeoutMs === undefined ? {} : { timeoutMs: BigInt(Math.floor(timeoutMs)) }),
    ...(query === undefined
      ? {}
      : { connectGetInfo: { queryParams: [...query].map(([name, value]) => ({ name, value: [value] })) } }),
  });
}

function payload(data: Uint8Array | undefined, info: RequestInfo | undefined): Payload {
  return { payload: { ...(data === undefined ? {} : { data }), ...(info === undefined ? {} : { requestInfo: info }) } };
}

async function answerOnce(definition: UnaryResponseDefinition | undefined, seen: Any[], call: Call): Promise<Payload> {
  begin(definition, call.context);
  await delay(definition?.responseDelayMs ?? 0);
  if (definition?.response.case === 'error') {
    throw failed(definition.response.value, requestInfo(seen, call));
  }
  return payload(definition?.response.value, requestInfo(seen, call));
}

/** The answers of a stream from the `from`-th on. Only the very first of a stream tells what was seen. */
async function* answerRest(
  definition: StreamResponseDefinition | undefined,
  from: number,
  seen: Any[],
  call: Call,
): AsyncGenerator<Payload> {
  for (const [index, data] of (definition?.responseData ?? []).entries()) {
    if (index < from) {
      continue;
    }
    await delay(definition?.responseDelayMs ?? 0);
    yield payload(data, index === 0 ? requestInfo(seen, call) : undefined);
  }
}

function begin(
  definition: UnaryResponseDefinition | StreamResponseDefinition | undefined,
  context: HandlerContext,
): void {
  addHeaders(context.responseHeader, definition?.responseHeaders ?? []);
  addHeaders(context.responseTrailer, definition?.responseTrailers ?? []);
}

/** Ends a stream as it was told to. An error that is all that is answered also tells what was seen. */
function end(definition: StreamResponseDefinition | undefined, seen: Any[], call: Call): void {
  if (definition?.error === undefined) {
    return;
  }
  throw definition.responseData.length === 0
    ? failed(definition.error, requestInfo(seen, call))
    : connectError(definition.error);
}

function failed(error: SuiteError, info: RequestInfo): ConnectError {
  const detail = anyPack(RequestInfoSchema, info);
  return connectError({ ...error, details: [...error.details, detail] });
}
