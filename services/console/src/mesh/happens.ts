/**
 * Waits for something to happen, for a time at most, or until nobody cares any more.
 */

import { type EventEmitter, once } from 'node:events';

/**
 * Resolves when the emitter emits the event, after `timeoutMs`, or when the signal aborts; the caller looks which of them it
 * was.
 */
export async function happens(
  emitter: EventEmitter,
  event: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), Math.max(0, timeoutMs));
  try {
    await once(emitter, event, { signal: AbortSignal.any([signal, ended.signal]) });
  } catch (error) {
    if (!signal.aborted && !ended.signal.aborted) {
      throw error;
    }
  } finally {
    clearTimeout(timer);
  }
}
