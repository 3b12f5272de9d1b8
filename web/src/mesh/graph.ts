/**
 * From the topology's numbers to a drawing: sums by pair of workloads, columns from callers to callees, curves between them. Pure.
 */

import type { CallStats, Topology } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { formatMs, toMs } from '../format/measures.ts';
import { isStream } from '../rpc/policy.ts';

/** All calls from one workload to another. */
export type Link = {
  readonly caller: string;
  readonly callee: string;
  readonly callCount: number;
  readonly failureCount: number;
  readonly callsPerSecond: number;
  /** The slowest RPC's, in milliseconds: quantiles of several RPCs cannot be added up. Undefined without unary calls. */
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
  readonly rpcCount: number;
};

/** A workload's place, in the drawing's units. */
export type Node = { readonly name: string; readonly live: boolean; readonly x: number; readonly y: number };

export const WIDTH = 960;
export const HEIGHT = 420;
export const NODE_WIDTH = 132;
export const NODE_HEIGHT = 58;
const MARGIN = 24;

/** Sums the calls by pair. */
export function linksOf(calls: readonly CallStats[]): readonly Link[] {
  const byPair = new Map<string, CallStats[]>();
  for (const call of calls) {
    const key = `${call.caller} ${call.callee}`;
    byPair.set(key, [...(byPair.get(key) ?? []), call]);
  }
  return [...byPair.values()].map((group) => {
    const sum = (pick: (call: CallStats) => bigint) => Number(group.reduce((total, call) => total + pick(call), 0n));
    const slowest = (pick: (call: CallStats) => CallStats['latencyP50']) => {
      const known = group.filter(({ callCount, rpc }) => callCount > 0n && !isStream(rpc)).map(pick);
      const ms = known.flatMap((latency) => (latency === undefined ? [] : [toMs(latency)]));
      return ms.length === 0 ? undefined : Math.max(...ms);
    };
    return {
      caller: group[0]?.caller ?? '',
      callee: group[0]?.callee ?? '',
      callCount: sum((call) => call.callCount),
      failureCount: sum((call) => call.failureCount),
      callsPerSecond: sum((call) => call.milliCallsPerSecond) / 1_000,
      p50Ms: slowest((call) => call.latencyP50),
      p95Ms: slowest((call) => call.latencyP95),
      rpcCount: group.length,
    };
  });
}

/**
 * Places the workloads: a column further right than everyone who calls them; those who call others above, those who only
 * answer below, each a little nearer to the middle than the one before, so that threads which skip a column run clear of it.
 */
export function placeNodes(topology: Pick<Topology, 'workloads'>, links: readonly Link[]): readonly Node[] {
  const names = topology.workloads.map(({ name }) => name);
  const column = columnsOf(names, links);
  const last = Math.max(1, ...column.values());
  const inColumn = new Map<string, number>();
  return topology.workloads.map(({ name, sidecarLive }) => {
    const at = column.get(name) ?? 0;
    const calls = links.some(({ caller }) => caller === name);
    const group = `${at} ${calls}`;
    const before = inColumn.get(group) ?? 0;
    inColumn.set(group, before + 1);
    const height =
      at === 0
        ? 0.5 + before * 0.3
        : calls
          ? 0.04 + 0.09 * at + before * 0.22
          : Math.max(0.3, 0.94 - 0.06 * at) - before * 0.22;
    return {
      name,
      live: sidecarLive,
      x: MARGIN + NODE_WIDTH / 2 + (at / last) * (WIDTH - 2 * MARGIN - NODE_WIDTH),
      y: Math.max(NODE_HEIGHT, Math.min(HEIGHT - NODE_HEIGHT, height * HEIGHT)),
    };
  });
}

/** The longest way to each from somebody whom nobody calls. Rounds are bounded: the contract forbids circles, numbers may not. */
function columnsOf(names: readonly string[], links: readonly Link[]): ReadonlyMap<string, number> {
  const column = new Map(names.map((name) => [name, 0]));
  for (let round = 0; round < names.length; round += 1) {
    for (const { caller, callee } of links) {
      const next = (column.get(caller) ?? 0) + 1;
      if (caller !== callee && next > (column.get(callee) ?? 0) && next < names.length) {
        column.set(callee, next);
      }
    }
  }
  return column;
}

/** A thread from one node's right side to another's left, and the point where its label stands. */
export function curve(
  from: Node,
  to: Node,
): { readonly path: string; readonly labelX: number; readonly labelY: number } {
  const x1 = from.x + NODE_WIDTH / 2;
  const x2 = to.x - NODE_WIDTH / 2 - 7;
  const reach = Math.max(40, Math.abs(x2 - x1) * 0.45);
  const path = `M${round(x1)} ${round(from.y)}C${round(x1 + reach)} ${round(from.y)} ${round(x2 - reach)} ${round(to.y)} ${round(x2)} ${round(to.y)}`;
  return { path, labelX: (x1 + x2) / 2, labelY: (from.y + to.y) / 2 };
}

/** How thick a thread is: it grows by a step with each tenfold of the rate. */
export function thickness(callsPerSecond: number): number {
  return callsPerSecond <= 0 ? 1 : Math.min(9, 2 + 2 * Math.max(0, Math.log10(callsPerSecond * 10)));
}

/** `12.5/s`, `0.2/s`. */
export function formatCallsPerSecond(rate: number): string {
  return `${rate >= 100 ? Math.round(rate) : Number(rate.toFixed(1))}/s`;
}

/** A latency; Envoy measures in whole milliseconds. */
export function formatLatency(ms: number | undefined): string {
  return ms === undefined ? '–' : ms < 1 ? '< 1 ms' : formatMs(ms);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
