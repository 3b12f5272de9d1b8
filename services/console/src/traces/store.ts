/**
 * The traces that the console keeps: in memory, bounded, the least recently grown forgotten first.
 */

import { EventEmitter } from 'node:events';
import type { StoredSpan } from './span.ts';

/** Bounds of a store. */
export type StoreLimits = {
  /** Traces kept. */
  readonly maxTraces: number;
  /** Spans kept over all traces. */
  readonly maxSpans: number;
  /** Spans kept of one trace; what comes after is counted only. */
  readonly maxSpansPerTrace: number;
};

export const DEFAULT_LIMITS: StoreLimits = { maxTraces: 2_000, maxSpans: 40_000, maxSpansPerTrace: 2_000 };

/**
 * Spans of these services' own RPCs are not kept: who looks at traces must not push out what is looked at, nor must health
 * checks.
 */
const UNKEPT_NAMES = /^\/?(weft\.console\.v1\.MeshService|grpc\.(health|reflection)\.)/;

/** Neither is what a browser asks before its call, which bears the call's name. */
const PREFLIGHT = 'OPTIONS';

function isKept({ name, attributes }: StoredSpan): boolean {
  return !UNKEPT_NAMES.test(name) && attributes['http.method'] !== PREFLIGHT;
}

/** A trace as far as it has arrived. */
export type StoredTrace = {
  readonly traceId: string;
  readonly spans: Map<string, StoredSpan>;
  droppedSpanCount: number;
  /** When its last span came, by the monotonic clock, in milliseconds. */
  lastArrivalMs: number;
};

/** Bounded traces by id; emits `changed` with the id of each trace that has grown. */
export class TraceStore extends EventEmitter<{ changed: [traceId: string] }> {
  readonly #limits: StoreLimits;
  /** In order of last arrival, so that the first is the one to forget. */
  readonly #traces = new Map<string, StoredTrace>();
  #spanCount = 0;

  constructor(limits: StoreLimits = DEFAULT_LIMITS) {
    super();
    this.#limits = limits;
    // One listener for each watcher and each waiting GetTrace; their number is bounded by the RPCs' concurrency limit.
    this.setMaxListeners(0);
  }

  /** Number of spans kept. */
  get spanCount(): number {
    return this.#spanCount;
  }

  /** Takes spans in. A span that is known already is not counted twice. */
  add(spans: readonly StoredSpan[]): void {
    const grown = new Set<string>();
    for (const span of spans) {
      if (isKept(span) && this.#addSpan(span)) {
        grown.add(span.traceId);
      }
    }
    this.#forgetOldest();
    for (const traceId of grown) {
      this.emit('changed', traceId);
    }
  }

  /** A trace, as far as it has arrived. */
  get(traceId: string): StoredTrace | undefined {
    return this.#traces.get(traceId);
  }

  /** All traces, in no particular order. */
  all(): Iterable<StoredTrace> {
    return this.#traces.values();
  }

  #addSpan(span: StoredSpan): boolean {
    const trace = this.#traces.get(span.traceId) ?? {
      traceId: span.traceId,
      spans: new Map<string, StoredSpan>(),
      droppedSpanCount: 0,
      lastArrivalMs: 0,
    };
    if (trace.spans.has(span.spanId)) {
      return false;
    }
    if (trace.spans.size >= this.#limits.maxSpansPerTrace) {
      trace.droppedSpanCount += 1;
    } else {
      trace.spans.set(span.spanId, span);
      this.#spanCount += 1;
    }
    trace.lastArrivalMs = performance.now();
    this.#traces.delete(span.traceId);
    this.#traces.set(span.traceId, trace);
    return true;
  }

  #forgetOldest(): void {
    for (const [traceId, trace] of this.#traces) {
      if (this.#traces.size <= this.#limits.maxTraces && this.#spanCount <= this.#limits.maxSpans) {
        return;
      }
      this.#traces.delete(traceId);
      this.#spanCount -= trace.spans.size;
    }
  }
}
