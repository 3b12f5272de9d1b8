/**
 * Forgetting what is no longer needed, some rows at a time: there may be millions, and no statement lasts longer than it may.
 */

/** How to purge. */
export type PurgeOptions = {
  /** Rows that a statement deletes, at most. Default 20,000. */
  readonly atOnce?: number;
  /** Ends the purge before all is forgotten. */
  readonly signal?: AbortSignal;
};

const AT_ONCE = 20_000;

/** Calls `forget`, which forgets up to so many rows and says how many, until fewer are left or the signal aborts. */
export async function purge(
  { atOnce = AT_ONCE, signal }: PurgeOptions,
  forget: (atOnce: number) => Promise<number>,
): Promise<void> {
  for (let left = true; left && !signal?.aborted; ) {
    left = (await forget(atOnce)) >= atOnce;
  }
}
