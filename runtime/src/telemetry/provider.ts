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
import { type Sampled, UNKNOWN } from './otlp/settings.ts';
import type { Origin } from './otlp/span-bytes.ts';

/** What is known of it. */
export type Provider = {
  /** Whether traces travel by the headers of W3C Trace Context alone, which are read faster than by the API. */
  readonly isW3c: boolean;
  /** Whether a call is never sampled when its caller's span is not: then no span needs to be made to find out. */
  readonly skipsUnsampled: boolean;
  /** Which spans are sampled, as far as that is certain without asking the sampler. */
  readonly sampled: Sampled;
  /** Takes the spans of calls without the SDK's making them; undefined when only the SDK knows what becomes of spans. */
  readonly recorder: Recorder | undefined;
  readonly tracer: Tracer;
};

/** Where the spans of calls go directly. */
export type Recorder = {
  readonly processor: OtlpProcessor;
  readonly origin: Origin;
};

const NO_TRACES = new ProxyTracerProvider().getDelegate();
const INSTRUMENTATION = '@weft/runtime';
const W3C_HEADERS = 'traceparent,tracestate';

let knownOf: unknown;
let known: Provider | undefined;
let started: { readonly delegate: unknown; readonly processor: OtlpProcessor; readonly sampled: Sampled } | undefined;

/**
 * Starts an SDK whose spans end in this processor and are sampled so. The calls' spans then need not be made by it, unless
 * another SDK was there before, which the API keeps.
 */
export function recordWith(processor: OtlpProcessor, sampled: Sampled, start: () => void): void {
  const before = delegateNow();
  start();
  const delegate = delegateNow();
  started = delegate === before ? undefined : { delegate, processor, sampled };
}

function delegateNow(): unknown {
  const global = trace.getTracerProvider();
  return global instanceof ProxyTracerProvider ? global.getDelegate() : global;
}

/**
 * The process's OpenTelemetry; undefined while neither spans nor metrics go anywhere. Asked for every call, so that calls pay for
 * telemetry from when it is started, by `startTelemetry` or otherwise.
 */
export function provider(): Provider | undefined {
  const delegate = delegateNow();
  if (delegate === NO_TRACES && !isMetered()) {
    return undefined;
  }
  if (known === undefined || knownOf !== delegate) {
    knownOf = delegate;
    const tracer = trace.getTracer(INSTRUMENTATION);
    const own = started?.delegate === delegate ? started : undefined;
    const origin = own?.processor.originOf(() => probe(tracer, TraceFlags.SAMPLED));
    known = {
      isW3c: propagation.fields().toSorted().join() === W3C_HEADERS,
      skipsUnsampled: skipsUnsampled(tracer),
      sampled: own?.sampled ?? UNKNOWN,
      recorder: own === undefined || origin === undefined ? undefined : { processor: own.processor, origin },
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

function probe(tracer: Tracer, traceFlags: TraceFlags): Span {
  const parent = { traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags, isRemote: true };
  return tracer.startSpan('probe', { kind: SpanKind.SERVER }, trace.setSpanContext(ROOT_CONTEXT, parent));
}
