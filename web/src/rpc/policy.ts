/**
 * What the contract says of an RPC, read from its own descriptor: how long to wait for it, how long its stream may be silent,
 * and which scopes open it.
 */

import { type DescMethod, getOption } from '@bufbuild/protobuf';
import type { Duration } from '@bufbuild/protobuf/wkt';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { method as methodPolicy } from '@weft/gen/weft/mesh/v1/options_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';

/** Time for the answer to come back over a slow network, on top of the RPC's deadline. The edge ends the call before. */
const NETWORK_MARGIN_MS = 2_000;

/** For an RPC whose contract names no deadline. */
const DEFAULT_DEADLINE_MS = 10_000;

/** Longest to wait for an answer, in milliseconds; undefined for streams, which `watch` looks after. */
export function timeoutMsOf(rpc: DescMethod): number | undefined {
  if (rpc.methodKind !== 'unary') {
    return undefined;
  }
  const { deadline } = getOption(rpc, methodPolicy);
  return (deadline === undefined ? DEFAULT_DEADLINE_MS : durationMs(deadline)) + NETWORK_MARGIN_MS;
}

/** After how many milliseconds without a message a stream counts as dead: the RPC's own idle timeout. */
export function idleTimeoutMsOf(rpc: DescMethod): number {
  const idle: Duration | undefined = getOption(rpc, methodPolicy).stream?.idleTimeout;
  return idle === undefined ? 60_000 : durationMs(idle);
}

/** Whether an RPC, named in full, is a stream. */
export function isStream(rpc: string): boolean {
  const policy = (policies as Readonly<Record<string, object>>)[rpc];
  return policy !== undefined && 'stream' in policy;
}

/** The scopes of which a token needs one; empty for an RPC that is open to all. */
export function scopesOf(rpc: DescMethod): readonly string[] {
  return getOption(rpc, methodPolicy).scopes;
}
