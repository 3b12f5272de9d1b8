/**
 * What is known of an RPC before anyone calls it, worked out once at start so that no call has to.
 */

import type { DescMethod } from '@bufbuild/protobuf';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import type { MethodPolicy, PolicyTable } from '../policy.ts';
import type { FastMethod } from './fast/fast-method.ts';
import { type Limits, streamLifeMs } from './limits.ts';

/** One RPC of a server. */
export type ServedMethod = {
  /** Full name, such as `weft.inventory.v1.ItemService/GetItem`. */
  readonly rpc: string;
  readonly method: DescMethod;
  readonly policy: MethodPolicy | undefined;
  /** Whether errors of the runtime's own tell their reason of the catalogue. */
  readonly isTyped: boolean;
  /** Whether the caller gets more than one answer, so that only the server can end the call. */
  readonly isStream: boolean;
  /** Longest that its caller may wait for the one answer, in milliseconds; undefined for streams of answers. */
  readonly capMs: number | undefined;
  /** Longest life of a stream of answers, in milliseconds. */
  readonly lifeMs: number | undefined;
  /** Connect's own handler of it, which speaks every protocol. */
  readonly handler: UniversalHandler;
  /** What the fast lane needs to serve it; undefined for what it does not serve. */
  readonly fast: FastMethod | undefined;
};

/** Infinity: no bound. */
function bounded(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined;
}

/** Puts together what is known of an RPC. */
export function servedMethod(
  handler: UniversalHandler,
  fast: FastMethod | undefined,
  { policy, limits, isTyped }: { readonly policy: PolicyTable; readonly limits: Limits; readonly isTyped: boolean },
): ServedMethod {
  const { method } = handler;
  const rpc = `${method.parent.typeName}/${method.name}`;
  const promised = policy[rpc];
  const isStream = method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming';
  const lifeMs =
    promised?.stream === undefined ? limits.defaultStreamLifeMs : streamLifeMs(promised.stream.maxDurationMs);
  const unaryMs = promised?.deadlineMs ?? limits.defaultDeadlineMs;
  return {
    rpc,
    method,
    policy: promised,
    isTyped,
    isStream,
    capMs: isStream ? undefined : bounded(method.methodKind === 'unary' ? unaryMs : lifeMs),
    lifeMs: isStream ? bounded(lifeMs) : undefined,
    handler,
    fast,
  };
}
