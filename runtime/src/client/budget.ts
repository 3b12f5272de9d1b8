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
 * Works out the budget of an outgoing call.
 *
 * @param current the call that is being answered; undefined in background work.
 * @param policy what the contract says of the callee's RPC.
 * @param asked timeout in milliseconds and signal that the code asks for.
 * @throws DEADLINE when too little is left to ask anybody.
 */
export function budgetOf(
  current: Call | undefined,
  policy: MethodPolicy | undefined,
  asked: Budget,
  nowMs = Date.now(),
): Budget {
  const limits = [asked.timeoutMs, policy?.deadlineMs].filter((ms) => ms !== undefined);
  if (current?.deadlineMs !== undefined) {
    const leftMs = current.deadlineMs - nowMs;
    limits.push(leftMs - marginMs(leftMs));
  }
  const timeoutMs = limits.length === 0 ? undefined : Math.floor(Math.min(...limits));
  if (timeoutMs !== undefined && timeoutMs <= 0) {
    throw fail('DEADLINE', 'Too little time was left to ask another part of the system.');
  }
  const signals = [asked.signal, current?.signal].filter((signal) => signal !== undefined);
  return { timeoutMs, signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0] };
}
