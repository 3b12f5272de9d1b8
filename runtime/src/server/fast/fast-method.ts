/**
 * What the fast lane needs to serve one RPC: its handler, its codecs and what runs around it, found once at start.
 */

import type { DescMethodServerStreaming, DescMethodUnary, JsonReadOptions, JsonWriteOptions } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import type { HandlerContext, Interceptor } from '@connectrpc/connect';
import type { Limits } from '../limits.ts';
import { hasRules } from '../rules.ts';
import { type FastCodec, fastCodec } from './fast-codec.ts';

/** A handler of Connect's that is asked one message, whatever its messages. */
export type FastHandler = (request: unknown, context: HandlerContext) => unknown;

/** The RPCs that the fast lane can serve: those that are asked one message. */
export type FastDesc = DescMethodUnary | DescMethodServerStreaming;

/** One RPC on the fast lane. */
export type FastMethod = {
  readonly method: FastDesc;
  readonly handler: FastHandler;
  readonly interceptors: readonly Interceptor[];
  readonly codec: FastCodec;
  /** Whether its request has rules to be checked. */
  readonly hasRules: boolean;
  /** Whether Connect's GET may call it: it has no side effects. */
  readonly mayBeGot: boolean;
};

/** Prepares an RPC. */
export function fastMethod(
  method: FastDesc,
  handler: FastHandler,
  {
    interceptors,
    limits,
    jsonOptions,
  }: {
    readonly interceptors: readonly Interceptor[];
    readonly limits: Limits;
    readonly jsonOptions: Partial<JsonReadOptions & JsonWriteOptions>;
  },
): FastMethod {
  return {
    method,
    handler,
    interceptors,
    codec: fastCodec(method, { limits, jsonOptions }),
    hasRules: hasRules(method.input),
    mayBeGot: method.methodKind === 'unary' && method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
  };
}
