/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/) as headers carry it.
 */

import type { SpanContext } from '@opentelemetry/api';
import { createTraceState, TraceFlags } from '@opentelemetry/api';

/** `00-<trace id>-<parent id>-<flags>`; a later version may go on after another dash. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:$|-)/;
const SAMPLED = 1;

/** The caller's span; undefined when the header is missing or cannot be read. */
export function parentOf(traceparent: unknown, tracestate: unknown): SpanContext | undefined {
  // Every version has the same things at the same places; to cut them out costs less than to have them captured.
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) {
    return undefined;
  }
  const isSampled = (Number.parseInt(traceparent.charAt(54), 16) & SAMPLED) !== 0;
  const traceId = traceparent.slice(3, 35);
  const spanId = traceparent.slice(36, 52);
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return typeof tracestate === 'string'
    ? { traceId, spanId, traceFlags, isRemote: true, traceState: createTraceState(tracestate) }
    : { traceId, spanId, traceFlags, isRemote: true };
}

/** The header by which a callee finds its caller's span. */
export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags & SAMPLED ? '01' : '00'}`;
}
