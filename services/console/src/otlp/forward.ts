/**
 * Sends what the receiver took on to another OTLP collector, such as Jaeger. The console comes first: what the other cannot
 * take in time is dropped and counted, and nothing ever waits for it.
 */

import { log } from '@weft/runtime/log';

/** Exports that wait for the other collector. */
const QUEUE_MAX = 256;
const TIMEOUT_MS = 5_000;
/** At most one line about a failure in this time, in milliseconds. */
const COMPLAIN_EVERY_MS = 30_000;

/** Makes a function that sends an export's bytes on to `<endpoint>/v1/traces`, in order, without waiting. */
export function forwardTo(endpoint: string): (body: Uint8Array) => void {
  const url = new URL('v1/traces', endpoint.endsWith('/') ? endpoint : `${endpoint}/`);
  const queue: Uint8Array[] = [];
  let sending = false;
  let dropped = 0;
  let complainedMs = Number.NEGATIVE_INFINITY;

  const complain = (error: unknown): void => {
    if (performance.now() - complainedMs > COMPLAIN_EVERY_MS) {
      complainedMs = performance.now();
      log.warn('traces cannot be forwarded', { endpoint: url.origin, dropped, error });
    }
  };
  const drain = async (): Promise<void> => {
    sending = true;
    for (let body = queue.shift(); body !== undefined; body = queue.shift()) {
      try {
        await post(url, body);
      } catch (error) {
        dropped += 1;
        complain(error);
      }
    }
    sending = false;
  };
  return (body) => {
    if (queue.length >= QUEUE_MAX) {
      dropped += 1;
      complain(new Error(`${QUEUE_MAX} exports are waiting`));
      return;
    }
    queue.push(body);
    if (!sending) {
      void drain();
    }
  };
}

async function post(url: URL, body: Uint8Array): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf' },
    body: Uint8Array.from(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await response.arrayBuffer();
  if (!response.ok) {
    throw new Error(`HTTP ${response.status}`);
  }
}
