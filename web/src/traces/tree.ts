/**
 * Lays a trace out: which span hangs below which, in which order, and where its bar begins and ends. Pure.
 */

import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type { Span } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { toMs } from '../format/measures.ts';

/** A span in its place. */
export type Row = {
  readonly span: Span;
  /** 1 at the root. */
  readonly level: number;
  /** From the trace's beginning, in milliseconds with their fraction. */
  readonly startMs: number;
  readonly durationMs: number;
  /** Whether the span above it is of the same workload and on the same side of its sidecar. */
  readonly continues: boolean;
  /** Ids of the spans above it, the root first. */
  readonly above: readonly string[];
  readonly childCount: number;
  /** Its place among its siblings, from 1, and how many there are. */
  readonly position: number;
  readonly siblings: number;
};

/** A trace laid out. */
export type Layout = { readonly rows: readonly Row[]; readonly totalMs: number };

/** Lays out spans in any order. A span whose parent did not arrive becomes a root, and no circle can catch it. */
export function layOut(spans: readonly Span[]): Layout {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const children = new Map<string, Span[]>();
  for (const span of byId.values()) {
    const parent = byId.has(span.parentSpanId) && span.parentSpanId !== span.spanId ? span.parentSpanId : '';
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  for (const siblings of children.values()) {
    siblings.sort((a, b) => (nanosOf(a.startTime) < nanosOf(b.startTime) ? -1 : 1));
  }
  const origin = [...byId.values()].reduce<bigint | undefined>((least, span) => {
    const start = nanosOf(span.startTime);
    return least === undefined || start < least ? start : least;
  }, undefined);
  const rows: Row[] = [];
  const visit = (parent: string, above: readonly string[]): void => {
    const siblings = children.get(parent) ?? [];
    for (const [index, span] of siblings.entries()) {
      rows.push({
        span,
        level: above.length + 1,
        startMs: Number(nanosOf(span.startTime) - (origin ?? 0n)) / 1_000_000,
        durationMs: span.duration === undefined ? 0 : toMs(span.duration),
        continues: byId.get(parent)?.serviceName === span.serviceName,
        above,
        childCount: children.get(span.spanId)?.length ?? 0,
        position: index + 1,
        siblings: siblings.length,
      });
      visit(span.spanId, [...above, span.spanId]);
    }
  };
  visit('', []);
  const totalMs = rows.reduce((most, row) => Math.max(most, row.startMs + row.durationMs), 0);
  return { rows, totalMs };
}

/** The workload of a span: its sidecar's spans belong to it. */
export function workloadOf(serviceName: string): string {
  return serviceName.replace(/-(envoy|sidecar)$/, '');
}

/** Whether a proxy made the span, the edge's included. */
export function isProxy(serviceName: string): boolean {
  return serviceName !== workloadOf(serviceName) || serviceName === 'edge';
}

/** Round marks for an axis: four to eight, from 0. */
export function ticks(totalMs: number): readonly number[] {
  if (!(totalMs > 0)) {
    return [0];
  }
  const rough = totalMs / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  return Array.from({ length: Math.floor(totalMs / step + 1e-9) + 1 }, (_, index) => index * step);
}

function nanosOf(time: Timestamp | undefined): bigint {
  return time === undefined ? 0n : time.seconds * 1_000_000_000n + BigInt(time.nanos);
}
