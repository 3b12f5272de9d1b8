/**
 * From counters since an Envoy's start to rates over a window: the difference between two samples, quantiles by interpolation
 * within a bucket. Pure functions.
 */

import type { CallCounters, Sample } from './stats.ts';

/** Calls of one RPC between two samples. */
export type WindowedCalls = {
  readonly callee: string;
  readonly rpc: string;
  readonly count: number;
  /** Calls by gRPC status code other than OK. */
  readonly failuresByCode: ReadonlyMap<number, number>;
  readonly latencyBuckets: ReadonlyMap<number, number>;
  /** Calls since the Envoy started. */
  readonly total: number;
};

/** What happened between two samples of the same Envoy. An Envoy that started anew between them counts from zero. */
export function between(older: Sample | undefined, newer: Sample): WindowedCalls[] {
  return [...newer.calls].map(([key, now]) => {
    const known = older?.calls.get(key);
    const before = known !== undefined && known.total <= now.total ? known : undefined;
    return {
      callee: now.callee,
      rpc: now.rpc,
      count: now.total - (before?.total ?? 0),
      failuresByCode: failures(now, before),
      latencyBuckets: difference(now.latencyBuckets, before?.latencyBuckets),
      total: now.total,
    };
  });
}

/**
 * The latency in milliseconds that a share of calls stayed under.
 *
 * @param share between 0 and 1.
 * @returns 0 when there were no calls.
 */
export function quantileMs(buckets: ReadonlyMap<number, number>, share: number): number {
  const sorted = [...buckets].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
  const bounds = [...buckets.keys()].sort((a, b) => a - b);
  const rank = share * sorted.reduce((sum, [, count]) => sum + count, 0);
  let passed = 0;
  for (const [upper, count] of sorted) {
    if (passed + count >= rank) {
      const lower = bounds[bounds.indexOf(upper) - 1] ?? 0;
      return lower + ((upper - lower) * (rank - passed)) / count;
    }
    passed += count;
  }
  return 0;
}

function failures(now: CallCounters, before: CallCounters | undefined): Map<number, number> {
  const counts = difference(now.byCode, before?.byCode);
  counts.delete(0);
  return new Map([...counts].filter(([, count]) => count > 0));
}

function difference(now: ReadonlyMap<number, number>, before: ReadonlyMap<number, number> | undefined) {
  return new Map([...now].map(([key, value]) => [key, Math.max(0, value - (before?.get(key) ?? 0))]));
}
