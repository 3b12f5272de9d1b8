/**
 * Coalescing: calls that arrive while the database is busy go to it together. There is no timer and so no added delay: a
 * batch is what arrived during the one before. A lone caller is a batch of one.
 */

import { fail } from '../errors/fail.ts';
import { detached } from '../server/call.ts';

/** How calls are gathered. */
export type CoalesceOptions<Req, Res> = {
  /**
   * Does the work of a batch and gives one outcome for each request, in order; an Error is that caller's failure. What it
   * throws is the failure of all. It runs on behalf of no call: one caller's deadline or departure must not end the others'
   * work.
   */
  readonly run: (batch: readonly Req[]) => Promise<readonly (Res | Error)[]>;
  /** Requests in one batch, at most. Default 256. */
  readonly maxBatch?: number;
  /** Batches at work at once. Default 2: one commits while the next is prepared. */
  readonly maxInFlight?: number;
  /** Requests that may wait; one more is OVERLOADED. Default 4,096. */
  readonly maxQueue?: number;
};

type Waiting<Req, Res> = {
  readonly request: Req;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (response: Res) => void;
  readonly reject: (error: unknown) => void;
};

const RETRY_AFTER_MS = 100;

/**
 * Makes a function that hands a request to the next batch. A caller whose signal aborts before its batch begins is left out
 * of it.
 */
export function coalesce<Req, Res>(
  options: CoalesceOptions<Req, Res>,
): (request: Req, signal?: AbortSignal) => Promise<Res> {
  const { run, maxBatch = 256, maxInFlight = 2, maxQueue = 4_096 } = options;
  let queue: Waiting<Req, Res>[] = [];
  let inFlight = 0;

  const startNext = (): void => {
    while (inFlight < maxInFlight && queue.length > 0) {
      const batch = queue.slice(0, maxBatch);
      queue = queue.slice(maxBatch);
      inFlight += 1;
      void work(batch).finally(() => {
        inFlight -= 1;
        startNext();
      });
    }
  };

  const work = async (gathered: readonly Waiting<Req, Res>[]): Promise<void> => {
    const batch = gathered.filter(({ signal, reject }) => {
      if (signal?.aborted) {
        reject(signal.reason);
      }
      return !signal?.aborted;
    });
    if (batch.length === 0) {
      return;
    }
    try {
      const outcomes = await detached(() => run(batch.map(({ request }) => request)));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome === undefined) {
          reject(new Error(`a batch of ${batch.length} gave ${outcomes.length} outcomes`));
        } else if (outcome instanceof Error) {
          reject(outcome);
        } else {
          resolve(outcome);
        }
      }
    } catch (error) {
      for (const { reject } of batch) {
        reject(error);
      }
    }
  };

  return (request, signal) =>
    new Promise<Res>((resolve, reject) => {
      if (queue.length >= maxQueue) {
        reject(fail('OVERLOADED', undefined, {}, { retryAfterMs: RETRY_AFTER_MS }));
        return;
      }
      queue.push({ request, signal, resolve, reject });
      // Those that arrive in the same turn of the event loop go together.
      queueMicrotask(startNext);
    });
}
