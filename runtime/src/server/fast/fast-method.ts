/**
 * What the fast lane needs to serve one unary RPC: its handler, its codecs and what runs around it, found once at start.
 */

import type { DescMethodUnary, JsonReadOptions, JsonWriteOptions } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import type { HandlerContext, Interceptor } from '@connectrpc/connect';
import type { Limits } from '../limits.ts';
import { hasRules } from '../rules.ts';
import { type FastCodec, fastCodec } from './fast-codec.ts';

/** A unary handler of Connect's, whatever its messages. */
export type UnaryHandler = (request: unknown, context: HandlerContext) => unknown;

/** One unary RPC on the fast lane. */
export type FastMethod = {
  readonly method: DescMethodUnary;
  readonly handler: UnaryHandler;
  readonly interceptors: readonly Interceptor[];
  readonly codec: FastCodec;
  /** Whether its request has rules to be checked. */
  readonly hasRules: boolean;
  /** Whether Connect's GET may call it: it has no side effects. */
  readonly mayBeGot: boolean;
};

/** Prepares a unary RPC. */
export function fastMethod(
  method: DescMethodUnary,
  handler: UnaryHandler,
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
    mayBeGot: method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
  };
}
