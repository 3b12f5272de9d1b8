/**
 * What the contract shows of a trace: all of it, or a line in a list.
 */

import { create } from '@bufbuild/protobuf';
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';
import { DurationSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';
import {
  type Span,
  SpanSchema,
  type Trace,
  TraceSchema,
  type TraceSummary,
  TraceSummarySchema,
} from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import type { StoredSpan } from './span.ts';
import type { StoredTrace } from './store.ts';
import { inOrder, rootOf } from './tree.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

/** The whole trace, spans in the order of reading. */
export function toTrace(trace: StoredTrace): Trace {
  return create(TraceSchema, {
    traceId: trace.traceId,
    spans: inOrder(trace.spans).map(toSpan),
    droppedSpanCount: trace.droppedSpanCount,
  });
}

/** A line about the trace. */
export function toSummary(trace: StoredTrace): TraceSummary {
  const spans = [...trace.spans.values()];
  const startNanos = spans.reduce((least, span) => (span.startNanos < least ? span.startNanos : least), startOf(spans));
  const endNanos = spans.reduce((most, span) => {
    const end = span.startNanos + span.durationNanos;
    return end > most ? end : most;
  }, startNanos);
  return create(TraceSummarySchema, {
    traceId: trace.traceId,
    rootName: rootOf(trace.spans)?.name ?? '',
    startTime: toTimestamp(startNanos),
    duration: toDuration(endNanos - startNanos),
    spanCount: spans.length + trace.droppedSpanCount,
    failedSpanCount: spans.filter((span) => span.failed).length,
    serviceNames: [...new Set(spans.map((span) => span.serviceName))].sort(),
  });
}

function startOf(spans: readonly StoredSpan[]): bigint {
  return spans[0]?.startNanos ?? 0n;
}

function toSpan(span: StoredSpan): Span {
  return create(SpanSchema, {
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    name: span.name,
    serviceName: span.serviceName,
    kind: span.kind,
    startTime: toTimestamp(span.startNanos),
    duration: toDuration(span.durationNanos),
    failed: span.failed,
    statusMessage: span.statusMessage,
    attributes: { ...span.attributes },
  });
}

function toTimestamp(nanos: bigint): Timestamp {
  return create(TimestampSchema, { seconds: nanos / NANOS_PER_SECOND, nanos: Number(nanos % NANOS_PER_SECOND) });
}

function toDuration(nanos: bigint): Duration {
  return create(DurationSchema, { seconds: nanos / NANOS_PER_SECOND, nanos: Number(nanos % NANOS_PER_SECOND) });
}
