/** The words of PromQL that rules and dashboards share: what is counted as a failure, what as slow, and over which series. */
import { metrics, statName } from '../blocks/statistics.ts';
import type { Method } from '../contract/contract.ts';

/** The labels that the scrape configuration has to give to every Envoy: `job`, and `workload` with the workload's name. */
export const job = 'envoy';
export const workloadLabel = 'workload';

/**
 * gRPC statuses that are no fault of the service: the caller gave up or asked for what it cannot have, or had too much already.
 * What is left is held against the availability: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS. Connect's
 * HTTP statuses fall in two the same way: 400 to 499, and 500 to 599.
 */
export const excusedCodes: Readonly<Record<number, string>> = {
  1: 'CANCELLED',
  3: 'INVALID_ARGUMENT',
  5: 'NOT_FOUND',
  6: 'ALREADY_EXISTS',
  7: 'PERMISSION_DENIED',
  8: 'RESOURCE_EXHAUSTED',
  9: 'FAILED_PRECONDITION',
  10: 'ABORTED',
  11: 'OUT_OF_RANGE',
  16: 'UNAUTHENTICATED',
};

type Rpc = Pick<Method, 'fullName'>;

/** `{weft_rpc="acme.shelf.v1.ShelfService.GetBook"}`, with more matchers when there are any. */
export const ofRpc = (rpc: Rpc, ...more: string[]): string => `{${[`weft_rpc="${statName(rpc)}"`, ...more].join(',')}}`;

/** What all series that fit have in common per second; 0 where there is none. */
const rate = (metric: string, labels: string, window: string): string => `sum(rate(${metric}${labels}[${window}]))`;
const orNone = (expression: string): string => `(${expression} or vector(0))`;

/** The share of an RPC's calls that failed through the service's fault: 0 to 1, NaN without calls. */
export function failedShare(rpc: Rpc, window: string): string {
  const failures = orNone(rate(metrics.failures, ofRpc(rpc), window));
  const codes = `grpc_code=~"${Object.keys(excusedCodes).join('|')}"`;
  const excused = orNone(rate(metrics.callsByCode, ofRpc(rpc, codes), window));
  const excusedConnect = orNone(rate(metrics.connectClientErrors, ofRpc(rpc), window));
  return `clamp_min(${failures} - ${excused} - ${excusedConnect}, 0) / ${rate(metrics.calls, ofRpc(rpc), window)}`;
}

/**
 * The share of an RPC's calls that were not answered within `latencyMs`: 0 to 1, NaN without calls. A call that was never answered
 * (its deadline passed, nobody could be reached) is in no histogram and counts as slow.
 */
export function slowShare(rpc: Rpc, latencyMs: number, window: string): string {
  const fast = orNone(rate(`${metrics.latencyMs}_bucket`, ofRpc(rpc, `le="${latencyMs}"`), window));
  return `clamp_min(1 - ${fast} / ${rate(metrics.calls, ofRpc(rpc), window)}, 0)`;
}
