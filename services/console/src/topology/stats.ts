/**
 * Reads what one Envoy says of the calls it made (`/stats?format=json` of its admin socket): counters and latency buckets by
 * callee and RPC since it started, and how many replicas of each callee are healthy.
 */

import { request } from 'node:http';

/** Calls of one RPC to one callee since the Envoy started. */
export type CallCounters = {
  readonly callee: string;
  /** `weft.inventory.v1.ItemService/GetItem`. */
  readonly rpc: string;
  total: number;
  /** Calls by gRPC status code, 0 included. */
  readonly byCode: Map<number, number>;
  /** Calls by the upper bound of their latency in milliseconds; each call is in one bucket. */
  readonly latencyBuckets: Map<number, number>;
};

/** What one Envoy said. */
export type Sample = {
  /** By `callee rpc`. */
  readonly calls: ReadonlyMap<string, CallCounters>;
  /** Healthy replicas by callee. */
  readonly healthy: ReadonlyMap<string, number>;
};

/** The part of Envoy's answer that is read. */
type StatsDocument = {
  readonly stats: readonly {
    readonly name?: string;
    readonly value?: number;
    readonly histograms?: readonly {
      readonly name: string;
      readonly buckets: readonly { readonly upper_bound: number; readonly cumulative: number }[];
    }[];
  }[];
};

const FILTER = '^cluster\\.[^.]+\\.(grpc\\.|membership_healthy$)';
const PATH = `/stats?format=json&usedonly&histogram_buckets=disjoint&filter=${encodeURIComponent(FILTER)}`;
const TIMEOUT_MS = 900;
const BODY_MAX_BYTES = 8 * 1024 * 1024;
const NAME =
  /^cluster\.(?<callee>[^.]+)\.(?:grpc\.(?<service>.+)\.(?<method>[^.]+)\.(?<stat>[a-z0-9_]+)|membership_healthy)$/;

/**
 * Asks the Envoy behind an admin socket.
 *
 * @throws Error when it does not answer in time.
 */
export async function readStats(socketPath: string): Promise<Sample> {
  return parseStats(JSON.parse(await get(socketPath)) as StatsDocument);
}

/** Reads Envoy's answer. Names that are no statistic of a call are passed over. */
export function parseStats(document: StatsDocument): Sample {
  const calls = new Map<string, CallCounters>();
  const healthy = new Map<string, number>();
  const countersOf = (callee: string, rpc: string): CallCounters => {
    const key = `${callee} ${rpc}`;
    const found = calls.get(key) ?? { callee, rpc, total: 0, byCode: new Map(), latencyBuckets: new Map() };
    calls.set(key, found);
    return found;
  };
  for (const entry of document.stats) {
    const groups = NAME.exec(entry.name ?? '')?.groups;
    const value = entry.value ?? 0;
    if (groups?.callee !== undefined && groups.service === undefined) {
      healthy.set(groups.callee, value);
    } else if (groups?.callee !== undefined && groups.stat !== undefined) {
      const counters = countersOf(groups.callee, `${groups.service}/${groups.method}`);
      if (groups.stat === 'total') {
        counters.total = value;
      } else if (/^\d+$/.test(groups.stat)) {
        counters.byCode.set(Number(groups.stat), value);
      }
    }
    for (const histogram of entry.histograms ?? []) {
      const of = NAME.exec(histogram.name)?.groups;
      if (of?.callee === undefined || of.stat !== 'upstream_rq_time') {
        continue;
      }
      const buckets = countersOf(of.callee, `${of.service}/${of.method}`).latencyBuckets;
      for (const bucket of histogram.buckets) {
        buckets.set(bucket.upper_bound, bucket.cumulative);
      }
    }
  }
  return { calls, healthy };
}

function get(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: PATH, agent: false, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > BODY_MAX_BYTES) {
          response.destroy(new Error('the statistics are too large'));
        }
        chunks.push(chunk);
      });
      response.once('error', reject);
      response.once('end', () => {
        if (response.statusCode === 200) {
          resolve(Buffer.concat(chunks).toString('utf8'));
        } else {
          reject(new Error(`HTTP ${response.statusCode}`));
        }
      });
    });
    asked.once('timeout', () => asked.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
    asked.once('error', reject);
    asked.end();
  });
}
