/**
 * The topology as the contract shows it, from what the Envoys said.
 */

import { create } from '@bufbuild/protobuf';
import { type Duration, DurationSchema, timestampNow } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import {
  type CallStats,
  CallStatsSchema,
  type Topology,
  TopologySchema,
  type Workload,
  WorkloadSchema,
} from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import type { PolicyTable } from '@weft/runtime/policy';
import { type EnvoyView, WINDOW_MS } from './watcher.ts';
import { quantileMs, type WindowedCalls } from './window.ts';

const NANOS_PER_MS = 1_000_000;

/** The topology: all workloads of the contract and those whose Envoy was seen, and the calls that happened. */
export function toTopology(views: readonly EnvoyView[], policy: PolicyTable): Topology {
  return create(TopologySchema, {
    workloads: workloadsOf(views, policy),
    calls: views
      .flatMap((view) => view.calls.filter(isRpcOf(policy)).map((calls) => toCallStats(view, calls)))
      .sort((a, b) => compare([a.caller, a.callee, a.rpc], [b.caller, b.callee, b.rpc])),
    atTime: timestampNow(),
    window: toDuration(WINDOW_MS),
  });
}

function workloadsOf(views: readonly EnvoyView[], policy: PolicyTable): Workload[] {
  const services = new Map<string, Set<string>>(views.map((view) => [view.workload, new Set<string>()]));
  for (const [rpc, { workload }] of Object.entries(policy)) {
    const known = services.get(workload) ?? new Set<string>();
    services.set(workload, known.add(rpc.slice(0, rpc.lastIndexOf('/'))));
  }
  return [...services]
    .map(([name, implemented]) =>
      create(WorkloadSchema, {
        name,
        sidecarLive: views.some((view) => view.workload === name && view.live),
        services: [...implemented].sort(),
      }),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Reflection and health, and whatever strangers invent, are no edges between workloads. */
function isRpcOf(policy: PolicyTable): (calls: WindowedCalls) => boolean {
  return (calls) => Object.hasOwn(policy, calls.rpc);
}

function toCallStats(view: EnvoyView, calls: WindowedCalls): CallStats {
  const failures = [...calls.failuresByCode];
  const seconds = view.windowMs / 1_000;
  return create(CallStatsSchema, {
    caller: view.workload,
    callee: calls.callee,
    rpc: calls.rpc,
    callCount: BigInt(calls.count),
    failureCount: BigInt(failures.reduce((sum, [, count]) => sum + count, 0)),
    milliCallsPerSecond: BigInt(seconds === 0 ? 0 : Math.round((calls.count * 1_000) / seconds)),
    latencyP50: toDuration(quantileMs(calls.latencyBuckets, 0.5)),
    latencyP95: toDuration(quantileMs(calls.latencyBuckets, 0.95)),
    latencyP99: toDuration(quantileMs(calls.latencyBuckets, 0.99)),
    failuresByCode: Object.fromEntries(failures.map(([code, count]) => [nameOf(code), BigInt(count)])),
    totalCallCount: BigInt(calls.total),
  });
}

/** The status as gRPC spells it: NOT_FOUND. */
function nameOf(code: number): string {
  const name = Code[code];
  if (name === undefined) {
    return String(code);
  }
  return code === Code.Canceled ? 'CANCELLED' : name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}

function toDuration(ms: number): Duration {
  const nanos = Math.round(ms * NANOS_PER_MS);
  return create(DurationSchema, { seconds: BigInt(Math.floor(nanos / 1e9)), nanos: nanos % 1e9 });
}

function compare(a: readonly string[], b: readonly string[]): number {
  const [x, y] = [a.join(' '), b.join(' ')];
  return x < y ? -1 : x > y ? 1 : 0;
}
