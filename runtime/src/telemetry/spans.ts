/**
 * One span for each call, on the side that answers and on the side that asks, and its duration as a metric, by the RPC
 * semantic conventions of OpenTelemetry. Costs next to nothing while telemetry is off: the API's own no-ops run.
 *
 * Spans and metrics carry the RPC, the status, the reason and the workloads; no user, no message, no header.
 */

import type { IncomingHttpHeaders } from 'node:http2';
import { Code, type ConnectError } from '@connectrpc/connect';
import { codeToString } from '@connectrpc/connect/protocol-connect';
import {
  type Attributes,
  type Context,
  context,
  createNoopMeter,
  type Histogram,
  isSpanContextValid,
  metrics,
  ProxyTracerProvider,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { reasonOf } from '../errors/fail.ts';

const INSTRUMENTATION = '@weft/runtime';

/** Which of the runtime's two ways a call went: the one thing that tells them apart. */
export type Lane = 'fast' | 'adapter';

/** A call that is being measured. */
export type CallSpan = {
  /** The trace it belongs to; undefined while telemetry is off. */
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

/** Begins the span of a call that this process answers, as a child of the caller's. */
export function serverSpan(rpc: string, headers: IncomingHttpHeaders): CallSpan {
  if (rpc.startsWith(UNTRACED_PREFIX)) {
    return UNTRACED;
  }
  const parent = propagation.extract(ROOT_CONTEXT, headers);
  return begin(SpanKind.SERVER, rpc, systemOf(headers['content-type']), parent);
}

/** Begins the span of a call that this process makes, and writes its trace context into `headers`. */
export function clientSpan(rpc: string, workload: string, headers: Headers): CallSpan {
  const span = begin(SpanKind.CLIENT, rpc, 'grpc', context.active(), { 'server.address': workload });
  span.run(() =>
    propagation.inject(context.active(), headers, { set: (carrier, key, value) => carrier.set(key, value) }),
  );
  return span;
}

/**
 * Whether spans or metrics go anywhere: the API's own providers do nothing. Asked for every call, so that one pays for telemetry
 * from when it is started, by `startTelemetry` or otherwise, and nothing before.
 */
export function isTelemetryOn(): boolean {
  const provider = trace.getTracerProvider();
  const isTraced = !(provider instanceof ProxyTracerProvider) || provider.getDelegate() !== NO_TRACES;
  return isTraced || metrics.getMeter(INSTRUMENTATION) !== NO_METER;
}

const NO_TRACES = new ProxyTracerProvider().getDelegate();
const NO_METER = createNoopMeter();

const UNTRACED: CallSpan = { traceId: undefined, run: (work) => work(), end: () => {} };

function begin(kind: SpanKind, rpc: string, system: string, parent: Context, extra: Attributes = {}): CallSpan {
  const attributes = { 'rpc.system.name': system, 'rpc.method': rpc, ...extra };
  const span = trace.getTracer(INSTRUMENTATION).startSpan(rpc, { kind, attributes }, parent);
  const within = trace.setSpan(parent, span);
  const startedMs = performance.now();
  return {
    traceId: isSpanContextValid(span.spanContext()) ? span.spanContext().traceId : undefined,
    run: (work) => context.with(within, work),
    end(error, lane) {
      const status = statusName(error);
      durations(kind).record((performance.now() - startedMs) / 1_000, {
        ...attributes,
        'rpc.response.status_code': status,
        ...(lane === undefined ? {} : { 'weft.rpc.lane': lane }),
      });
      span.setAttribute('rpc.response.status_code', status);
      if (error !== undefined) {
        tellError(span, kind, error);
      }
      span.end();
    },
  };
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

/** Histograms by kind of span: made at the first call, since the API gives no-ops to who asks before telemetry has started. */
const histograms = new Map<SpanKind, Histogram>();

function durations(kind: SpanKind): Histogram {
  let histogram = histograms.get(kind);
  if (histogram === undefined) {
    const side = kind === SpanKind.SERVER ? 'server' : 'client';
    histogram = metrics.getMeter(INSTRUMENTATION).createHistogram(`rpc.${side}.call.duration`, {
      unit: 's',
      description: `Duration of RPCs, ${side} side, by method and status.`,
      advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
    });
    histograms.set(kind, histogram);
  }
  return histogram;
}

function systemOf(contentType: string | undefined): string {
  return contentType?.startsWith('application/grpc') ? 'grpc' : 'connectrpc';
}

/** The name of the gRPC status, `OK` without an error. */
function statusName(error: ConnectError | undefined): string {
  return error === undefined
    ? 'OK'
    : codeToString(error.code)
        .toUpperCase()
        .replace(/^CANCELED$/, 'CANCELLED');
}
