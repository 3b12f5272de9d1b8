import { describe, expect, test } from 'vitest';
import type { StoredSpan } from '../src/traces/span.ts';
import { TraceStore } from '../src/traces/store.ts';
import { toSummary } from '../src/traces/summary.ts';
import { inOrder, isComplete, QUIET_MS } from '../src/traces/tree.ts';

const TRACE = 'a'.repeat(32);

function span(spanId: string, parentSpanId: string, changes: Partial<StoredSpan> = {}): StoredSpan {
  return {
    traceId: TRACE,
    spanId,
    parentSpanId,
    name: `span ${spanId}`,
    serviceName: 'shipping',
    kind: 2,
    startNanos: 1_000_000_000n,
    durationNanos: 5n,
    failed: false,
    statusMessage: '',
    attributes: {},
    ...changes,
  };
}

function stored(store: TraceStore, traceId = TRACE) {
  const trace = store.get(traceId);
  expect(trace).toBeDefined();
  if (trace === undefined) throw new Error('the trace is not there');
  return trace;
}

describe('the order of spans', () => {
  test('puts parents before children and siblings by start, however they arrived', () => {
    const spans = new Map(
      [
        span('c', 'b', { startNanos: 3n }),
        span('d', 'a', { startNanos: 1n }),
        span('b', 'a', { startNanos: 2n }),
        span('a', ''),
      ].map((one) => [one.spanId, one]),
    );
    expect(inOrder(spans).map((one) => one.spanId)).toEqual(['a', 'd', 'b', 'c']);
  });

  test('shows spans whose parent never came, and spans that are each other’s parents', () => {
    const spans = new Map([span('x', 'lost'), span('p', 'q'), span('q', 'p')].map((one) => [one.spanId, one]));
    expect(inOrder(spans).map((one) => one.spanId)).toEqual(['x', 'p', 'q']);
  });
});

describe('a trace is complete', () => {
  test('when it has one root, every parent, and was quiet', () => {
    const store = new TraceStore();
    store.add([span('a', ''), span('b', 'a')]);
    const trace = stored(store);
    expect(isComplete(trace, trace.lastArrivalMs + QUIET_MS)).toBe(true);
    expect(isComplete(trace, trace.lastArrivalMs + QUIET_MS - 1)).toBe(false);
  });

  test('not with an orphan, nor with two roots', () => {
    const store = new TraceStore();
    store.add([span('a', ''), span('b', 'lost')]);
    expect(isComplete(stored(store), Number.POSITIVE_INFINITY)).toBe(false);
    store.add([span('lost', '')]);
    expect(isComplete(stored(store), Number.POSITIVE_INFINITY)).toBe(false);
  });
});

describe('the store', () => {
  test('does not count a span twice', () => {
    const store = new TraceStore();
    store.add([span('a', ''), span('a', '')]);
    store.add([span('a', '')]);
    expect(store.spanCount).toBe(1);
  });

  test('does not keep what browsers ask before their calls', () => {
    const store = new TraceStore();
    store.add([
      span('a', '', { attributes: { 'http.method': 'OPTIONS' } }),
      span('b', '', { traceId: 'b'.repeat(32) }),
    ]);
    expect([...store.all()].map(({ traceId }) => traceId)).toEqual(['b'.repeat(32)]);
  });

  test('forgets the trace that grew longest ago, and keeps its bounds under a flood', () => {
    const store = new TraceStore({ maxTraces: 3, maxSpans: 100, maxSpansPerTrace: 10 });
    const ids = ['1', '2', '3', '4'].map((digit) => digit.repeat(32));
    for (const traceId of ids.slice(0, 3)) store.add([span('a', '', { traceId })]);
    store.add([span('b', 'a', { traceId: '1'.repeat(32) })]);
    store.add([span('a', '', { traceId: '4'.repeat(32) })]);
    expect(ids.filter((id) => store.get(id) !== undefined)).toEqual(['1', '3', '4'].map((digit) => digit.repeat(32)));
    for (let i = 0; i < 5_000; i += 1) store.add([span(String(i), 'a')]);
    expect(stored(store).spans.size).toBe(10);
    expect(stored(store).droppedSpanCount).toBe(4_990);
    expect(store.spanCount).toBeLessThanOrEqual(100);
  });

  test('does not keep the traces of looking at traces', () => {
    const store = new TraceStore();
    store.add([
      span('a', '', { name: 'weft.console.v1.MeshService/GetTrace' }),
      span('b', 'a', { name: '/grpc.health.v1.Health/Check' }),
    ]);
    expect(store.get(TRACE)).toBeUndefined();
  });

  test('tells who listens which traces have grown', () => {
    const store = new TraceStore();
    const told: string[] = [];
    store.on('changed', (traceId) => told.push(traceId));
    store.add([span('a', ''), span('b', 'a')]);
    store.add([span('a', '')]);
    expect(told).toEqual([TRACE]);
  });
});

test('a summary spans from the first start to the last end', () => {
  const store = new TraceStore();
  store.add([
    span('a', '', { name: 'root', startNanos: 2_000_000_000n, durationNanos: 10n }),
    span('b', 'a', { startNanos: 2_000_000_005n, durationNanos: 20n, failed: true, serviceName: 'inventory' }),
  ]);
  expect(toSummary(stored(store))).toMatchObject({
    rootName: 'root',
    startTime: { seconds: 2n, nanos: 0 },
    duration: { seconds: 0n, nanos: 25 },
    spanCount: 2,
    failedSpanCount: 1,
    serviceNames: ['inventory', 'shipping'],
  });
});
