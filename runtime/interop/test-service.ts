/** grpc.testing.TestService as `serve` serves it: plain Connect. What each RPC must do stands in gRPC's interop-test-descriptions. */

import { setTimeout as delay } from 'node:timers/promises';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { EchoStatus, ResponseParameters, StreamingOutputCallRequest, TestService } from './grpc-testing.ts';

/** Headers that are sent back, at the beginning and at the end. */
export const ECHO_INITIAL = 'x-grpc-test-echo-initial';
export const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';

const COMPRESSABLE = 0;
const BODY_MAX_BYTES = 4_000_000;

export const testService: ServiceImpl<typeof TestService> = {
  emptyCall: () => ({}),
  unaryCall({ responseType, responseSize, responseStatus, fillServerId }, context) {
    echoHeaders(context);
    throwStatus(responseStatus);
    return {
      payload: payloadOf(responseType, responseSize),
      ...(fillServerId ? { serverId: `${process.pid}` } : {}),
    };
  },
  async *streamingOutputCall({ responseType, responseParameters }, context) {
    echoHeaders(context);
    yield* answers(responseType, responseParameters);
  },
  async streamingInputCall(requests, context) {
    echoHeaders(context);
    let aggregatedPayloadSize = 0;
    for await (const { payload } of requests) {
      aggregatedPayloadSize += payload?.body.length ?? 0;
    }
    return { aggregatedPayloadSize };
  },
  async *fullDuplexCall(requests, context) {
    echoHeaders(context);
    for await (const { responseType, responseParameters, responseStatus } of requests) {
      throwStatus(responseStatus);
      yield* answers(responseType, responseParameters);
    }
  },
  async *halfDuplexCall(requests, context) {
    echoHeaders(context);
    const asked: StreamingOutputCallRequest[] = [];
    for await (const request of requests) {
      asked.push(request);
    }
    for (const { responseType, responseParameters } of asked) {
      yield* answers(responseType, responseParameters);
    }
  },
};

async function* answers(type: number, parameters: readonly ResponseParameters[]) {
  for (const { size, intervalUs } of parameters) {
    if (intervalUs > 0) {
      await delay(intervalUs / 1_000);
    }
    yield { payload: payloadOf(type, size) };
  }
}

function payloadOf(type: number, size: number) {
  if (type !== COMPRESSABLE || size < 0 || size > BODY_MAX_BYTES) {
    throw new ConnectError(`no payload of type ${type} and ${size} bytes is to be had`, Code.InvalidArgument);
  }
  return { type, body: new Uint8Array(size) };
}

function throwStatus(status: EchoStatus | undefined): void {
  if (status !== undefined && status.code !== 0) {
    throw new ConnectError(status.message, status.code);
  }
}

function echoHeaders({ requestHeader, responseHeader, responseTrailer }: HandlerContext): void {
  const initial = requestHeader.get(ECHO_INITIAL);
  if (initial !== null) {
    responseHeader.set(ECHO_INITIAL, initial);
  }
  const trailing = requestHeader.get(ECHO_TRAILING);
  if (trailing !== null) {
    responseTrailer.set(ECHO_TRAILING, trailing);
  }
}
