/**
 * The RPCs about traces.
 */

import { create } from '@bufbuild/protobuf';
import { type Duration, timestampNow } from '@bufbuild/protobuf/wkt';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import {
  GetTraceResponseSchema,
  ListTracesRequestSchema,
  ListTracesResponseSchema,
  type MeshService,
  type TraceSummary,
  WatchTracesResponseSchema,
} from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { openPageToken, sealPageToken } from '@weft/runtime/data/page';
import { fail } from '@weft/runtime/errors/fail';
import type { StoredTrace, TraceStore } from '../traces/store.ts';
import { toSummary, toTrace } from '../traces/summary.ts';
import { isComplete, QUIET_MS, rootOf } from '../traces/tree.ts';
import { happens } from './happens.ts';

const PAGE_SIZE_DEFAULT = 50;
/** A trace that grows is told at most this often, in milliseconds. */
const COALESCE_MS = 250;
/** Silence after which a stream says that it is alive, in milliseconds; below the contract's idle timeout. */
const BOOKMARK_MS = 15_000;
/** Traces that may wait to be told to one watcher. */
const WATCHER_QUEUE_MAX = 1_000;

/** Implements GetTrace, ListTraces and WatchTraces. */
export function traceRpcs(
  store: TraceStore,
): Pick<ServiceImpl<typeof MeshService>, 'getTrace' | 'listTraces' | 'watchTraces'> {
  return {
    async getTrace({ traceId, wait }, context) {
      await waitForCompletion(store, traceId, toMs(wait), context.signal);
      const trace = store.get(traceId);
      if (trace === undefined) {
        throw fail('TRACE_NOT_FOUND', undefined, { trace_id: traceId });
      }
      return create(GetTraceResponseSchema, {
        trace: toTrace(trace),
        complete: isComplete(trace, performance.now()),
      });
    },

    listTraces(request) {
      const pageSize = request.pageSize || PAGE_SIZE_DEFAULT;
      const cursor = openPageToken(ListTracesRequestSchema, request);
      const matching = [...store.all()]
        .filter((trace) => matches(trace, request))
        .map(toSummary)
        .map((summary) => ({ summary, key: sortKey(summary) }))
        .filter(({ key }) => cursor === undefined || key < cursor)
        .sort((a, b) => (a.key > b.key ? -1 : 1));
      const page = matching.slice(0, pageSize);
      const last = page.at(-1);
      const more = matching.length > page.length && last !== undefined;
      return create(ListTracesResponseSchema, {
        traces: page.map(({ summary }) => summary),
        nextPageToken: more ? sealPageToken(ListTracesRequestSchema, request, last.key) : '',
      });
    },

    watchTraces: (_request, context) => watchTraces(store, context),
  };
}

async function* watchTraces(store: TraceStore, { signal }: HandlerContext) {
  const grown = new Set<string>();
  const note = (traceId: string): void => {
    grown.add(traceId);
  };
  store.on('changed', note);
  try {
    // Whoever lists after it misses nothing.
    yield bookmark();
    while (!signal.aborted) {
      if (grown.size === 0) {
        await happens(store, 'changed', BOOKMARK_MS, signal);
        if (grown.size === 0 && !signal.aborted) {
          yield bookmark();
          continue;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, COALESCE_MS));
      if (grown.size > WATCHER_QUEUE_MAX) {
        throw fail('WATCHER_TOO_SLOW');
      }
      const told = [...grown];
      grown.clear();
      for (const trace of told.flatMap((traceId) => store.get(traceId) ?? [])) {
        yield create(WatchTracesResponseSchema, { event: { case: 'changed', value: toSummary(trace) } });
      }
    }
  } finally {
    store.off('changed', note);
  }
}

function bookmark() {
  return create(WatchTracesResponseSchema, { event: { case: 'bookmark', value: { atTime: timestampNow() } } });
}

async function waitForCompletion(store: TraceStore, traceId: string, waitMs: number, signal: AbortSignal) {
  const untilMs = performance.now() + waitMs;
  for (;;) {
    const nowMs = performance.now();
    const trace = store.get(traceId);
    if (nowMs >= untilMs || signal.aborted || (trace !== undefined && isComplete(trace, nowMs))) {
      return;
    }
    // Either it grows, or it may have been quiet long enough.
    const quietInMs = trace === undefined ? waitMs : trace.lastArrivalMs + QUIET_MS + 1 - nowMs;
    const nextLookMs = quietInMs > 0 ? quietInMs : QUIET_MS;
    await happens(store, 'changed', Math.min(untilMs - nowMs, nextLookMs), signal);
  }
}

function matches(trace: StoredTrace, { rootName, failedOnly }: { rootName: string; failedOnly: boolean }): boolean {
  if (failedOnly && ![...trace.spans.values()].some((span) => span.failed)) {
    return false;
  }
  return rootName === '' || (rootOf(trace.spans)?.name ?? '').includes(rootName);
}

/** Sorts by start, then id; of fixed width, so that it compares as text. */
function sortKey(summary: TraceSummary): string {
  const { seconds = 0n, nanos = 0 } = summary.startTime ?? {};
  return `${String(seconds).padStart(12, '0')}.${String(nanos).padStart(9, '0')}/${summary.traceId}`;
}

function toMs(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1_000 + duration.nanos / 1_000_000;
}
