/**
 * What this page asked of the mesh, newest first: each call with its trace, so that anything seen on a page can be followed to what
 * caused it.
 */

import { createStore } from '../app/store.ts';

/** A call that has been answered, or a stream that was opened. */
export type RecordedCall = {
  /** Counts up. */
  readonly number: number;
  /** `weft.inventory.v1.ItemService/ListItems`. */
  readonly rpc: string;
  /** The trace that the edge named in `x-weft-trace-id`; undefined when it named none. */
  readonly traceId: string | undefined;
  readonly startedAtMs: number;
  /** Time until the answer, or until a stream's headers. */
  readonly durationMs: number;
  readonly failed: boolean;
};

/** How many are kept. */
const MOST = 30;

export const recordedCalls = createStore<readonly RecordedCall[]>([]);

/** Remembers a call. */
export function recordCall(call: Omit<RecordedCall, 'number'>): void {
  const calls = recordedCalls.get();
  recordedCalls.set([{ ...call, number: (calls[0]?.number ?? 0) + 1 }, ...calls].slice(0, MOST));
}
