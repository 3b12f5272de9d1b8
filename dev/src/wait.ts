/** Waiting for conditions: the mesh and its tests never sleep and hope. */
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Calls `attempt` every `everyMs` (25 ms) until it returns something other than undefined or false. A throw counts as
 * not yet. After `withinMs` it throws an error that names `what` and the last reason; an aborted `signal` ends it at once.
 */
export async function waitFor<T>(
  what: string,
  attempt: () => T | undefined | false | Promise<T | undefined | false>,
  options: { withinMs: number; everyMs?: number; signal?: AbortSignal },
): Promise<T> {
  const end = performance.now() + options.withinMs;
  let last: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const result = await attempt();
      if (result !== undefined && result !== false) return result;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      const reason = last === undefined ? '' : ` (${last instanceof Error ? last.message : String(last)})`;
      throw new Error(`${what} did not happen within ${options.withinMs / 1000} s${reason}`, { cause: last });
    }
    await delay(options.everyMs ?? 25, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}
