/** What becomes of one RPC's `objective`: the shares that are recorded, and the alerts on them. */
import { statName } from '../blocks/statistics.ts';
import type { Method, Objective } from '../contract/contract.ts';
import { formatMs } from '../contract/duration.ts';
import { type Burn, burns, percent, spent, threshold, windows } from './burn-rate.ts';
import type { Annotations, Rule, RuleGroup } from './rule.ts';
import { failedShare, ofRpc, slowShare } from './selectors.ts';

/** One half of an objective: the promise, and the share of calls that broke it. */
interface Promised {
  readonly kind: 'availability' | 'latency';
  readonly ppm: number;
  /** What the calls did that broke it. */
  readonly broken: string;
  readonly promise: string;
  readonly runbook: string;
  share(window: string): string;
}

/** The recorded share of calls that failed, or were slow: `weft_rpc:failed_calls:ratio_1h`. */
export const recordedShare = (kind: Promised['kind'], window: string): string =>
  `weft_rpc:${kind === 'availability' ? 'failed' : 'slow'}_calls:ratio_${window}`;

/** Two groups: what pages look at, and what only tickets look at, which is costlier and less urgent. None without an objective. */
export function objectiveRules(method: Method, source: string): RuleGroup[] {
  if (!method.objective) return [];
  const promises = promisesOf(method, method.objective);
  const group = (severity: Burn['severity'], interval: string): RuleGroup => ({
    name: `${method.fullName} ${severity}`,
    interval,
    rules: promises.flatMap((promised) => [
      ...windows[severity].map((window) => recording(method, promised, window, source)),
      ...burns.filter((burn) => burn.severity === severity).map((burn) => alert(method, promised, burn, source)),
    ]),
  });
  return [group('page', '30s'), group('ticket', '5m')];
}

function promisesOf(method: Method, objective: Objective): Promised[] {
  const { availabilityPpm, latencyMs, latencyPpm } = objective;
  const availability: Promised = {
    kind: 'availability',
    ppm: availabilityPpm,
    broken: 'failed',
    promise: `${percent(availabilityPpm)} of calls do not fail through the fault of ${method.workload}`,
    runbook: [
      `1. See on the dashboard which statuses they are, and since when: UNAVAILABLE points to replicas that cannot be reached,`,
      `DEADLINE_EXCEEDED to a slow ${method.workload}${calledBy(method)}, INTERNAL and UNKNOWN to errors inside it.`,
      `2. Roll back what was changed at that time, or send the canary no calls.`,
      `3. The access logs name trace and reason of each failed call: look for "route":"${method.fullName}".`,
    ].join(' '),
    share: (window) => failedShare(method, window),
  };
  if (latencyMs === undefined || method.limits.kind === 'stream') return [availability];
  const latency: Promised = {
    kind: 'latency',
    ppm: latencyPpm,
    broken: `took longer than ${formatMs(latencyMs)}, or were never answered`,
    promise: `${percent(latencyPpm)} of calls are answered within ${formatMs(latencyMs)}, all tries included`,
    runbook: [
      `1. See on the dashboard whether all calls became slower or only the slowest, and whether they are retried.`,
      `2. Compare the rate of calls with what it was; add replicas of ${method.workload} when it is overloaded.`,
      `3. Open a slow trace and see which hop takes the time${calledBy(method)}.`,
      `4. Roll back what was changed at that time.`,
    ].join(' '),
    share: (window) => slowShare(method, latencyMs, window),
  };
  return [availability, latency];
}

/** The RPCs that it waits for, which may be what is wrong. */
function calledBy({ calls }: Method): string {
  const waited = calls.filter(({ background }) => !background).map(({ rpc }) => rpc);
  return waited.length === 0 ? '' : ` or to what it calls (${waited.join(', ')})`;
}

function recording(method: Method, promised: Promised, window: string, source: string): Rule {
  return {
    note: source,
    rule: {
      record: recordedShare(promised.kind, window),
      expr: promised.share(window),
      labels: { weft_rpc: statName(method), workload: method.workload },
    },
  };
}

function alert(method: Method, promised: Promised, burn: Burn, source: string): Rule {
  const limit = threshold(promised.ppm, burn.factor);
  const over = (window: string) => `${recordedShare(promised.kind, window)}${ofRpc(method)} > ${limit}`;
  const title = promised.kind === 'availability' ? 'Availability' : 'Latency';
  return {
    note: `${source}: ${percent(promised.ppm)}; ${spent(promised.ppm, burn)}`,
    rule: {
      alert: `${title}BudgetBurns`,
      expr: `${over(burn.long)} and ${over(burn.short)}`,
      labels: {
        severity: burn.severity,
        weft_rpc: statName(method),
        workload: method.workload,
        window: burn.long,
      },
      annotations: annotations(method, promised, burn, limit, source),
    },
  };
}

function annotations(method: Method, promised: Promised, burn: Burn, limit: number, source: string): Annotations {
  return {
    summary: `${method.fullName}: {{ $value | humanizePercentage }} of calls ${promised.broken} in the last ${burn.long}`,
    description: [
      `Promised at ${source}: ${promised.promise}.`,
      `More than ${Number((limit * 100).toPrecision(6))} % broke it over ${burn.long} and still do over ${burn.short}: ${spent(promised.ppm, burn)}.`,
    ].join(' '),
    runbook: `${promised.runbook} Dashboard: /d/weft-${method.workload}.`,
  };
}
