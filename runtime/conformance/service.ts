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

type Payload = { payload: MessageInitShape<typeof ConformancePayloadSchema> };

/** The service. `onCall` is told of each call that reaches a handler, by the name of its RPC. */
export function conformanceService(onCall: (rpc: string) => void): ServiceImpl<typeof ConformanceService> {
  return {
    unary(request, context) {
      onCall(context.method.name);
      return answerOnce(request.responseDefinition, [anyPack(UnaryRequestSchema, request)], context);
    },
    idempotentUnary(request, context) {
      onCall(context.method.name);
      return answerOnce(request.responseDefinition, [anyPack(IdempotentUnaryRequestSchema, request)], context);
    },
    unimplemented(_, context) {
      onCall(context.method.name);
      throw new ConnectError(`${context.method.name} is not implemented`, Code.Unimplemented);
    },
    async clientStream(requests, context) {
      onCall(context.method.name);
      let definition: UnaryResponseDefinition | undefined;
      const seen: Any[] = [];
      for await (const request of requests) {
        if (seen.length === 0) {
          definition = request.responseDefinition;
        }
        seen.push(anyPack(ClientStreamRequestSchema, request));
      }
      return answerOnce(definition, seen, context);
    },
    async *serverStream(request, context) {
      onCall(context.method.name);
      const definition = request.responseDefinition;
      begin(definition, context);
      const seen = [anyPack(ServerStreamRequestSchema, request)];
      yield* answerRest(definition, 0, seen, context);
      end(definition, seen, context);
    },
    async *bidiStream(requests, context) {
      onCall(context.method.name);
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
        yield payload(data, requestInfo(seen, context));
        answered += 1;
        seen = [];
      }
      yield* answerRest(definition, answered, seen, context);
      end(definition, seen, context);
    },
  };
}

function requestInfo(requests: Any[], context: HandlerContext): RequestInfo {
  const timeoutMs = context.timeoutMs();
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

async function answerOnce(
  definition: UnaryResponseDefinition | undefined,
  seen: Any[],
  context: HandlerContext,
): Promise<Payload> {
  begin(definition, context);
  await delay(definition?.responseDelayMs ?? 0);
  if (definition?.response.case === 'error') {
    throw failed(definition.response.value, requestInfo(seen, context));
  }
  return payload(definition?.response.value, requestInfo(seen, context));
}

/** The answers of a stream from the `from`-th on. Only the very first of a stream tells what was seen. */
async function* answerRest(
  definition: StreamResponseDefinition | undefined,
  from: number,
  seen: Any[],
  context: HandlerContext,
): AsyncGenerator<Payload> {
  for (const [index, data] of (definition?.responseData ?? []).entries()) {
    if (index < from) {
      continue;
    }
    await delay(definition?.responseDelayMs ?? 0);
    yield payload(data, index === 0 ? requestInfo(seen, context) : undefined);
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
function end(definition: StreamResponseDefinition | undefined, seen: Any[], context: HandlerContext): void {
  if (definition?.error === undefined) {
    return;
  }
  throw definition.responseData.length === 0
    ? failed(definition.error, requestInfo(seen, context))
    : connectError(definition.error);
}

function failed(error: SuiteError, info: RequestInfo): ConnectError {
  const detail = anyPack(RequestInfoSchema, info);
  return connectError({ ...error, details: [...error.details, detail] });
}
