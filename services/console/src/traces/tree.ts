/**
 * The tree that the spans of a trace form: its order for reading, its root, and whether it is complete. Pure functions.
 */

import type { StoredSpan } from './span.ts';
import type { StoredTrace } from './store.ts';

/** How long a trace must not have grown to count as complete, in milliseconds. Exporters send in batches. */
export const QUIET_MS = 1_000;

/**
 * The spans in the order of reading: parents before children, siblings by start. A span whose parent has not arrived stands
 * where a root would.
 */
export function inOrder(spans: ReadonlyMap<string, StoredSpan>): StoredSpan[] {
  const children = new Map<string, StoredSpan[]>();
  for (const span of spans.values()) {
    const parent = spans.has(span.parentSpanId) ? span.parentSpanId : '';
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const ordered: StoredSpan[] = [];
  const seen = new Set<string>();
  const stack = byStart(children.get('') ?? []).reverse();
  for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
    ordered.push(span);
    seen.add(span.spanId);
    stack.push(...byStart(children.get(span.spanId) ?? []).reverse());
  }
  // Spans that are each other's ancestors hang from no root; they are shown all the same.
  return ordered.concat(byStart([...spans.values()].filter((span) => !seen.has(span.spanId))));
}

/** The span that the trace began with: the earliest one without a parent here. */
export function rootOf(spans: ReadonlyMap<string, StoredSpan>): StoredSpan | undefined {
  return inOrder(spans)[0];
}

/** Whether the trace has one root, every parent, and has not grown for `QUIET_MS`. `nowMs` is of the monotonic clock. */
export function isComplete(trace: StoredTrace, nowMs: number): boolean {
  if (nowMs < trace.lastArrivalMs + QUIET_MS) {
    return false;
  }
  let roots = 0;
  for (const span of trace.spans.values()) {
    if (span.parentSpanId === '') {
      roots += 1;
    } else if (!trace.spans.has(span.parentSpanId)) {
      return false;
    }
  }
  return roots === 1;
}

function byStart(spans: readonly StoredSpan[]): StoredSpan[] {
  return spans.toSorted((a, b) => {
    if (a.startNanos !== b.startNanos) {
      return a.startNanos < b.startNanos ? -1 : 1;
    }
    return a.spanId < b.spanId ? -1 : 1;
  });
}
