/**
 * What is known of the process's OpenTelemetry, found out once: whether it is on at all, and two things that let most calls do
 * without it.
 */

import {
  ProxyTracerProvider,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { isMetered } from './durations.ts';
import type { OtlpProcessor } from './otlp/processor.ts';
import type { Sampled } from './otlp/settings.ts';
import type { Origin } from './otlp/span-bytes.ts';

/** What is known of it. */
export type Provider = {
  /** Whether traces travel by the headers of W3C Trace Context alone, which are read faster than by the API. */
  readonly isW3c: boolean;
  /** Whether a call is never sampled when its caller's span is not: then no span needs to be made to find out. */
  readonly skipsUnsampled: boolean;
  /** Takes the spans of calls without the SDK's making them; undefined when only the SDK knows what becomes of spans. */
  readonly recorder: Recorder | undefined;
  readonly tracer: Tracer;
};

/** Where the spans of calls go directly. */
export type Recorder = {
  readonly processor: OtlpProcessor;
  readonly sampled: Sampled;
  readonly origin: Origin;
};

const NO_TRACES = new ProxyTracerProvider().getDelegate();
const INSTRUMENTATION = '@weft/runtime';
const W3C_HEADERS = 'traceparent,tracestate';

let knownOf: unknown;
let known: Provider | undefined;
let started: Omit<Recorder, 'origin'> | undefined;

/** Tells that spans end in this processor, when the SDK that is about to start becomes the process's. */
export function recordWith(processor: OtlpProcessor, sampled: Sampled): void {
  started = { processor, sampled };
}

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
    const tracer = trace.getTracer(INSTRUMENTATION);
    known = {
      isW3c: propagation.fields().toSorted().join() === W3C_HEADERS,
      skipsUnsampled: skipsUnsampled(tracer),
      recorder: recorderOf(tracer),
      tracer,
    };
  }
  return known;
}

/** Asks the sampler by a span that is never ended, so that it is never seen. */
function skipsUnsampled(tracer: Tracer): boolean {
  const span = probe(tracer, TraceFlags.NONE);
  return !span.isRecording() && span.spanContext().traceFlags === TraceFlags.NONE;
}

/** Whether it is the processor's own SDK that makes the spans shows by whether it is told of one. */
function recorderOf(tracer: Tracer): Recorder | undefined {
  if (started === undefined) {
    return undefined;
  }
  const { processor, sampled } = started;
  const origin = processor.originOf(() => probe(tracer, TraceFlags.SAMPLED));
  return origin === undefined || !sampled.children ? undefined : { processor, sampled, origin };
}

function probe(tracer: Tracer, traceFlags: TraceFlags): Span {
  const parent = { traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags, isRemote: true };
  return tracer.startSpan('probe', { kind: SpanKind.SERVER }, trace.setSpanContext(ROOT_CONTEXT, parent));
}
