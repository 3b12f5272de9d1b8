/**
 * What the fast lane needs to serve one RPC: its handler, its codecs and what runs around it, found once at start.
 */

import type { DescMethodServerStreaming, DescMethodUnary, JsonReadOptions, JsonWriteOptions } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import type { HandlerContext, Interceptor } from '@connectrpc/connect';
import { createMethodSerializationLookup } from '@connectrpc/connect/protocol';
import { type RpcCodec, rpcCodec } from '../../codec/rpc-codec.ts';
import type { Limits } from '../limits.ts';
import { hasRules } from '../rules/has-rules.ts';

/** A handler of Connect's that is asked one message, whatever its messages. */
export type FastHandler = (request: unknown, context: HandlerContext) => unknown;

/** The RPCs that the fast lane can serve: those that are asked one message. */
export type FastDesc = DescMethodUnary | DescMethodServerStreaming;

/** One RPC on the fast lane. */
export type FastMethod = {
  readonly method: FastDesc;
  readonly handler: FastHandler;
  readonly interceptors: readonly Interceptor[];
  readonly binary: RpcCodec;
  readonly json: RpcCodec;
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
  const connects = createMethodSerializationLookup(method, undefined, jsonOptions, limits);
  const codec = (isBinary: boolean) =>
    rpcCodec({
      reads: method.input,
      writes: method.output,
      isBinary,
      writeMaxBytes: limits.writeMaxBytes,
      connects: { parse: connects.getI(isBinary).parse, serialize: connects.getO(isBinary).serialize },
    });
  return {
    method,
    handler,
    interceptors,
    binary: codec(true),
    json: codec(false),
    hasRules: hasRules(method.input),
    mayBeGot: method.methodKind === 'unary' && method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
  };
}
