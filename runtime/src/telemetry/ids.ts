/**
 * Ids of spans and traces: the SDK's generator, save that a span which was begun without the SDK keeps its ids when the SDK
 * makes it after all. Many ids are drawn at once, for one by one they cost more than the rest of beginning a span.
 */

import { randomFillSync } from 'node:crypto';

const SPAN_DIGITS = 16;
const TRACE_DIGITS = 32;
const pool = Buffer.alloc(2_048);

let digits = '';
let at = 0;
let kept: { readonly traceId: string; readonly spanId: string } | undefined;

function draw(count: number): string {
  if (at + count > digits.length) {
    digits = randomFillSync(pool).toString('hex');
    at = 0;
  }
  const id = digits.slice(at, at + count);
  at += count;
  // All zeros are no id: the chance is nil, and so is the cost of asking.
  return id.startsWith('0000') && /^0+$/.test(id) ? draw(count) : id;
}

/** As the SDK takes it. */
export const ids = {
  generateSpanId: (): string => kept?.spanId ?? draw(SPAN_DIGITS),
  generateTraceId: (): string => kept?.traceId ?? draw(TRACE_DIGITS),
};

/** Runs `make` with these ids as the next ones. */
export function keeping<T>(context: { readonly traceId: string; readonly spanId: string }, make: () => T): T {
  kept = context;
  try {
    return make();
  } finally {
    kept = undefined;
  }
}
