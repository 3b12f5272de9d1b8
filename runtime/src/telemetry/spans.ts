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
  type Context,
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { reasonOf } from '../errors/fail.ts';
import { histogramOf } from './durations.ts';
import { provider } from './provider.ts';
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
  if (!known.isW3c) {
    return started(labels, propagation.extract(ROOT_CONTEXT, headers));
  }
  const parent = parentOf(headers.traceparent, headers.tracestate);
  if (parent === undefined) {
    return started(labels, ROOT_CONTEXT);
  }
  const within = trace.setSpanContext(ROOT_CONTEXT, parent);
  return known.skipsUnsampled && parent.traceFlags === 0
    ? new MeasuredCall(labels, within, undefined, parent)
    : started(labels, within);
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
  const parent = context.active();
  const parentSpan = trace.getSpanContext(parent);
  const isSkipped = known.skipsUnsampled && parentSpan !== undefined && parentSpan.traceFlags === 0;
  const call = isSkipped ? new MeasuredCall(labels, parent, undefined, parentSpan) : started(labels, parent);
  call.inject(carrier, known.isW3c);
  return call;
}

function started(labels: RpcLabels, parent: Context): MeasuredCall {
  const { kind, rpc, attributes } = labels;
  const span = trace.getTracer(INSTRUMENTATION).startSpan(rpc, { kind, attributes }, parent);
  return new MeasuredCall(labels, trace.setSpan(parent, span), span, span.spanContext());
}

const INSTRUMENTATION = '@weft/runtime';

class MeasuredCall implements CallSpan {
  readonly #labels: RpcLabels;
  readonly #within: Context;
  /** Undefined for a call that is not sampled. */
  readonly #span: Span | undefined;
  readonly #spanContext: SpanContext;
  readonly #startedMs = performance.now();
  readonly traceId: string | undefined;

  constructor(labels: RpcLabels, within: Context, span: Span | undefined, spanContext: SpanContext) {
    this.#labels = labels;
    this.#within = within;
    this.#span = span;
    this.#spanContext = spanContext;
    // What records has a trace of its own making, and need not be looked at.
    this.traceId = span?.isRecording() || isSpanContextValid(spanContext) ? spanContext.traceId : undefined;
  }

  run<T>(work: () => T): T {
    return context.with(this.#within, work);
  }

  inject(carrier: { set(name: string, value: string): void }, isW3c: boolean): void {
    if (!isW3c) {
      propagation.inject(this.#within, carrier, { set: (headers, name, value) => headers.set(name, value) });
      return;
    }
    if (this.traceId !== undefined) {
      carrier.set('traceparent', traceparentOf(this.#spanContext));
      const { traceState } = this.#spanContext;
      if (traceState !== undefined) {
        carrier.set('tracestate', traceState.serialize());
      }
    }
  }

  end(error: ConnectError | undefined, lane?: Lane): void {
    const { kind } = this.#labels;
    const status = statusName(error);
    const outcome = this.#labels.outcome(status, lane);
    histogramOf(kind)?.record((performance.now() - this.#startedMs) / 1_000, outcome);
    const span = this.#span;
    if (span !== undefined) {
      span.setAttribute('rpc.response.status_code', status);
      if (error !== undefined) {
        tellError(span, kind, error);
      }
      span.end();
    }
  }
}

function tellError(span: Span, kind: SpanKind, error: ConnectError): void {
  const reason = reasonOf(error);
  if (reason !== undefined) {
    span.setAttribute('weft.reason', reason);
  }
  if (kind === SpanKind.CLIENT || SERVER_FAULTS.has(error.code)) {
    span.setAttribute('error.type', reason ?? statusName(error));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
}
