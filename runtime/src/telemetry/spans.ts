/**
 * One span for each call, on the side that answers and on the side that asks, and its duration as a metric, by the RPC
 * semantic conventions of OpenTelemetry. While telemetry is off nothing of it runs; a call whose caller decided against sampling
 * costs its metric and little more (provider.ts).
 *
 * Spans and metrics carry the RPC, the status, the reason and the workloads; no user, no message, no header.
 */

import type { IncomingHttpHeaders } from 'node:http2';
import { Code, type ConnectError } from '@connectrpc/connect';
import {
  type Attributes,
  type Context,
  context,
  type Histogram,
  type HrTime,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { reasonOf } from '../errors/fail.ts';
import { histogramOf } from './durations.ts';
import { ids, keeping } from './ids.ts';
import { writeRpcSpan } from './otlp/span-bytes.ts';
import { type Provider, provider, type Recorder } from './provider.ts';
import { type Lane, labelsOf, type RpcLabels, statusName } from './rpc-labels.ts';
import { parentOf, traceparentOf } from './w3c.ts';

/** A call that is being measured. */
export type CallSpan = {
  /** The trace it belongs to; undefined for a call that is not traced at all. */
  readonly traceId: string | undefined;
  /** Runs work as a part of the call. */
  run<T>(work: () => T): T;
  /** Ends it, with the error it was answered with. */
  end(error: ConnectError | undefined, lane?: Lane): void;
};

/** Statuses for which the server is at fault; the others are the caller's affair (semantic conventions, gRPC). */
const SERVER_FAULTS: ReadonlySet<Code> = new Set([
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Unimplemented,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss,
]);

/** Asked every second by every sidecar, and of interest to nobody. */
const UNTRACED_PREFIX = 'grpc.health.v1.';
const UNTRACED: CallSpan = { traceId: undefined, run: (work) => work(), end: () => {} };

/** Begins the span of a call that this process answers, as a child of the caller's; undefined while telemetry is off. */
export function serverSpan(rpc: string, headers: IncomingHttpHeaders): CallSpan | undefined {
  const known = provider();
  if (known === undefined) {
    return undefined;
  }
  if (rpc.startsWith(UNTRACED_PREFIX)) {
    return UNTRACED;
  }
  const labels = labelsOf(SpanKind.SERVER, rpc, headers['content-type']?.startsWith('application/grpc') ?? false);
  return known.isW3c
    ? begun(known, labels, ROOT_CONTEXT, parentOf(headers.traceparent, headers.tracestate))
    : started(known, labels, propagation.extract(ROOT_CONTEXT, headers));
}

/**
 * Begins the span of a call that this process makes; undefined while telemetry is off.
 *
 * @param carrier is given the headers that carry the trace on.
 */
export function clientSpan(
  rpc: string,
  workload: string,
  carrier: { set(name: string, value: string): void },
): CallSpan | undefined {
  const known = provider();
  if (known === undefined) {
    return undefined;
  }
  const labels = labelsOf(SpanKind.CLIENT, rpc, true, workload);
  const active = context.active();
  const call =
    active instanceof MeasuredCall
      ? begun(known, labels, active, active.spanContext)
      : active === ROOT_CONTEXT
        ? begun(known, labels, active, undefined)
        : started(known, labels, active);
  call.inject(carrier, known.isW3c);
  return call;
}

/** Begins the span of a call without the SDK, where it is certain what the SDK would do. */
function begun(known: Provider, labels: RpcLabels, within: Context, parent: SpanContext | undefined): MeasuredCall {
  const { recorder, sampled, skipsUnsampled } = known;
  if (parent !== undefined && parent.traceFlags === TraceFlags.NONE && skipsUnsampled) {
    return new MeasuredCall(known, labels, within, parent, parent);
  }
  const isSampled =
    parent === undefined ? sampled.roots : parent.traceFlags === TraceFlags.SAMPLED ? sampled.children : undefined;
  if (isSampled === undefined || (isSampled && recorder === undefined)) {
    return started(known, labels, within instanceof MeasuredCall ? within : withParent(within, parent));
  }
  const traceId = parent?.traceId ?? ids.generateTraceId();
  const spanId = ids.generateSpanId();
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  const { traceState } = parent ?? {};
  const own = traceState === undefined ? { traceId, spanId, traceFlags } : { traceId, spanId, traceFlags, traceState };
  return new MeasuredCall(known, labels, within, parent, own, isSampled ? recorder : undefined);
}

/** Begins the span of a call as the SDK does it. */
function started(known: Provider, labels: RpcLabels, within: Context): MeasuredCall {
  const { kind, rpc, attributes } = labels;
  const span = known.tracer.startSpan(rpc, { kind, attributes }, within);
  return new MeasuredCall(known, labels, within, undefined, span.spanContext(), undefined, span);
}

function withParent(within: Context, parent: SpanContext | undefined): Context {
  return parent === undefined ? within : trace.setSpanContext(within, parent);
}

/**
 * A call, and the context that its work runs in. The SDK's span and the maps of a real context are made when somebody asks the
 * context for something, such as the span of a statement for its parent; a call whose work never does is written as it ends.
 */
class MeasuredCall implements CallSpan, Context {
  readonly #known: Provider;
  readonly #labels: RpcLabels;
  readonly #outer: Context;
  readonly #parent: SpanContext | undefined;
  /** Where it is written when no SDK's span was made; undefined for a call that is not sampled or is the SDK's from its start. */
  readonly #recorder: Recorder | undefined;
  readonly #histogram: Histogram | undefined;
  readonly #startedMs: number = 0;
  readonly #startedAt: number = 0;
  readonly spanContext: SpanContext;
  readonly traceId: string | undefined;
  #span: Span | undefined;
  #context: Context | undefined;

  constructor(
    known: Provider,
    labels: RpcLabels,
    outer: Context,
    parent: SpanContext | undefined,
    spanContext: SpanContext,
    recorder?: Recorder,
    span?: Span,
  ) {
    this.#known = known;
    this.#labels = labels;
    this.#outer = outer;
    this.#parent = parent;
    this.#recorder = recorder;
    this.#span = span;
    this.#histogram = histogramOf(labels.kind);
    this.spanContext = spanContext;
    // Only what the SDK has made may be without a trace.
    this.traceId = span === undefined || isSpanContextValid(spanContext) ? spanContext.traceId : undefined;
    if (recorder !== undefined || this.#histogram !== undefined) {
      this.#startedMs = performance.now();
    }
    if (recorder !== undefined) {
      this.#startedAt = Date.now();
    }
  }

  run<T>(work: () => T): T {
    return context.with(this, work);
  }

  getValue(key: symbol): unknown {
    return this.#real().getValue(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return this.#real().setValue(key, value);
  }

  deleteValue(key: symbol): Context {
    return this.#real().deleteValue(key);
  }

  #real(): Context {
    this.#context ??= this.#makeContext();
    return this.#context;
  }

  #makeContext(): Context {
    if (this.#recorder !== undefined) {
      const { kind, rpc, attributes } = this.#labels;
      const within = this.#outer instanceof MeasuredCall ? this.#outer : withParent(this.#outer, this.#parent);
      const options = { kind, attributes, startTime: this.#startedAt };
      this.#span = keeping(this.spanContext, () => this.#known.tracer.startSpan(rpc, options, within));
    }
    return this.#span === undefined
      ? trace.setSpanContext(this.#outer, this.spanContext)
      : trace.setSpan(this.#outer, this.#span);
  }

  inject(carrier: { set(name: string, value: string): void }, isW3c: boolean): void {
    if (!isW3c) {
      propagation.inject(this, carrier, { set: (headers, name, value) => headers.set(name, value) });
      return;
    }
    if (this.traceId !== undefined) {
      carrier.set('traceparent', traceparentOf(this.spanContext));
      const { traceState } = this.spanContext;
      if (traceState !== undefined) {
        carrier.set('tracestate', traceState.serialize());
      }
    }
  }

  end(error: ConnectError | undefined, lane?: Lane): void {
    const histogram = this.#histogram;
    const recorder = this.#recorder;
    const span = this.#span;
    if (histogram === undefined && recorder === undefined && span === undefined) {
      return;
    }
    const status = statusName(error);
    const durationMs = this.#startedMs === 0 ? 0 : performance.now() - this.#startedMs;
    histogram?.record(durationMs / 1_000, this.#labels.outcome(status, lane));
    const told = error === undefined ? undefined : attributesOf(error, this.#labels.kind);
    if (span !== undefined) {
      span.setAttribute('rpc.response.status_code', status);
      if (told !== undefined) {
        span.setAttributes(told);
        if (isFault(told)) {
          span.setStatus({ code: SpanStatusCode.ERROR });
        }
      }
      // The SDK keeps no time for a span that was told when it began.
      span.end(recorder === undefined ? undefined : timeOf(this.#startedAt + durationMs));
    } else if (recorder !== undefined) {
      const isError = told !== undefined && isFault(told);
      recorder.processor.take(
        recorder.origin,
        {
          spanContext: this.spanContext,
          parent: this.#parent,
          head: this.#labels.head(status),
          start: timeOf(this.#startedAt),
          end: timeOf(this.#startedAt + durationMs),
          attributes: told,
          isError,
        },
        writeRpcSpan,
      );
    }
  }
}

/** Milliseconds since the epoch as seconds and nanoseconds. */
function timeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1_000_000)];
}

function attributesOf(error: ConnectError, kind: SpanKind): Attributes {
  const reason = reasonOf(error);
  return {
    ...(reason === undefined ? {} : { 'weft.reason': reason }),
    ...(kind === SpanKind.CLIENT || SERVER_FAULTS.has(error.code) ? { [ERROR_TYPE]: reason ?? statusName(error) } : {}),
  };
}

/** Whether the error is one of the side that the span is of. */
function isFault(told: Attributes): boolean {
  return told[ERROR_TYPE] !== undefined;
}

const ERROR_TYPE = 'error.type';
