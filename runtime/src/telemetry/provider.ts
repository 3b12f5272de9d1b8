/**
 * What is known of the process's OpenTelemetry, found out once: whether it is on at all, and two things that let most calls do
 * without it.
 */

import { ProxyTracerProvider, propagation, ROOT_CONTEXT, SpanKind, TraceFlags, trace } from '@opentelemetry/api';
import { isMetered } from './durations.ts';

/** What is known of it. */
export type Provider = {
  /** Whether traces travel by the headers of W3C Trace Context alone, which are read faster than by the API. */
  readonly isW3c: boolean;
  /** Whether a call is never sampled when its caller's span is not: then no span needs to be made to find out. */
  readonly skipsUnsampled: boolean;
};

const NO_TRACES = new ProxyTracerProvider().getDelegate();
const W3C_HEADERS = 'traceparent,tracestate';

let knownOf: unknown;
let known: Provider | undefined;

/**
 * The process's OpenTelemetry; undefined while neither spans nor metrics go anywhere. Asked for every call, so that calls pay for
 * telemetry from when it is started, by `startTelemetry` or otherwise.
 */
export function provider(): Provider | undefined {
  const global = trace.getTracerProvider();
  const delegate = global instanceof ProxyTracerProvider ? global.getDelegate() : global;
  if (delegate === NO_TRACES && !isMetered()) {
    return undefined;
  }
  if (known === undefined || knownOf !== delegate) {
    knownOf = delegate;
    known = { isW3c: propagation.fields().toSorted().join() === W3C_HEADERS, skipsUnsampled: skipsUnsampled() };
  }
  return known;
}

/** Asks the sampler by a span that is never ended, so that it is never seen. */
function skipsUnsampled(): boolean {
  const parent = { traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags: TraceFlags.NONE, isRemote: true };
  const span = trace
    .getTracer('@weft/runtime')
    .startSpan('unsampled', { kind: SpanKind.SERVER }, trace.setSpanContext(ROOT_CONTEXT, parent));
  return !span.isRecording() && span.spanContext().traceFlags === TraceFlags.NONE;
}
