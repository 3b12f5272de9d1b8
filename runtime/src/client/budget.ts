/**
 * How long a call to another workload may take: the least of what its caller asks for, what the contract promises, and what
 * is left of the call that is being answered.
 */

import { fail } from '../errors/fail.ts';
import type { MethodPolicy } from '../policy.ts';
import type { Call } from '../server/call.ts';

/**
 * Kept back from what is left of the caller's deadline, so that the answer of a callee that runs out of time can still be
 * turned into an answer of ours: a twentieth, between 2 and 50 ms.
 */
export function marginMs(leftMs: number): number {
  return Math.min(50, Math.max(2, leftMs / 20));
}

/** The timeout and the signal of an outgoing call. */
export type Budget = { readonly timeoutMs: number | undefined; readonly signal: AbortSignal | undefined };

/**
 * Works out how long an outgoing call may take, in milliseconds; undefined: as long as it likes.
 *
 * @param current the call that is being answered; undefined in background work.
 * @param policy what the contract says of the callee's RPC.
 * @param askedMs timeout in milliseconds that the code asks for. As in Connect, one of nothing is none where no contract says more;
 *   what is no number says nothing.
 * @throws DEADLINE when too little is left to ask anybody.
 */
export function budgetMs(
  current: Call | undefined,
  policy: MethodPolicy | undefined,
  askedMs: number | undefined,
  nowMs = Date.now(),
): number | undefined {
  let timeoutMs = Number.POSITIVE_INFINITY;
  if (askedMs !== undefined && !Number.isNaN(askedMs) && (askedMs > 0 || policy !== undefined)) {
    timeoutMs = askedMs;
  }
  if (policy?.deadlineMs !== undefined) {
    timeoutMs = Math.min(timeoutMs, policy.deadlineMs);
  }
  if (current?.deadlineMs !== undefined) {
    const leftMs = current.deadlineMs - nowMs;
    timeoutMs = Math.min(timeoutMs, leftMs - marginMs(leftMs));
  }
  if (timeoutMs === Number.POSITIVE_INFINITY) {
    return undefined;
  }
  const wholeMs = Math.floor(timeoutMs);
  if (wholeMs <= 0) {
    throw fail('DEADLINE', 'Too little time was left to ask another part of the system.');
  }
  return wholeMs;
}
