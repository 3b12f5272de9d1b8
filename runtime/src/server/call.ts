/**
 * The call that is being answered. It travels by AsyncLocalStorage, so that clients made by `connect`, database statements
 * and log lines know its deadline, signal, caller and trace without being handed them.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { ConnectError } from '@connectrpc/connect';
import type { MethodPolicy } from '../policy.ts';
import type { Caller } from './caller.ts';

/** One call on the server. */
export type Call = {
  /** Full name of the RPC, such as `weft.inventory.v1.ItemService/GetItem`. */
  readonly rpc: string;
  /** What the contract promises of it; undefined for health and reflection, and for a server without policy. */
  readonly policy: MethodPolicy | undefined;
  /** When the caller stops waiting, in milliseconds since the epoch; undefined for a stream without a deadline. */
  readonly deadlineMs: number | undefined;
  /**
   * Aborts when the answer is no longer wanted: the caller left, the deadline passed, the stream's life is over, or the
   * server stops. Unlike Connect's own signal it does not abort when the call merely ends well. It is made when it is first
   * asked for: who only wants to be told uses `onAbort`, which costs less.
   */
  readonly signal: AbortSignal;
  /** Why the answer is no longer wanted; undefined while it is. What `signal.reason` is. */
  readonly abortReason: ConnectError | undefined;
  /**
   * Calls `listener` once when the answer is no longer wanted; at once when it already is not.
   *
   * @returns ends the wish to be told.
   */
  onAbort(listener: (reason: ConnectError) => void): () => void;
  readonly caller: Caller;
  /** W3C trace id, 32 hexadecimal digits; undefined for a call that came without one while telemetry is off. */
  readonly traceId: string | undefined;
  /** The `traceparent` and `tracestate` that came with the call, passed on as they are while telemetry is off. */
  readonly traceHeaders: Readonly<Record<string, string>>;
};

const storage = new AsyncLocalStorage<Call | undefined>();

/** The call that the running code works for; undefined in background work. */
export function currentCall(): Call | undefined {
  return storage.getStore();
}

/** Milliseconds until the current call's deadline, never negative; undefined when there is no deadline. */
export function remainingMs(): number | undefined {
  const deadlineMs = currentCall()?.deadlineMs;
  return deadlineMs === undefined ? undefined : Math.max(0, deadlineMs - Date.now());
}

/** Runs `work` on behalf of a call. */
export function runInCall<T, Args extends unknown[]>(call: Call, work: (...args: Args) => T, ...args: Args): T {
  return storage.run(call, work, ...args);
}

/**
 * Runs `work` on behalf of nobody: for work that outlives the call it was started in, such as a shared tail of changes,
 * and must not end with that call's deadline or signal.
 */
export function detached<T>(work: () => T): T {
  return storage.run(undefined, work);
}
