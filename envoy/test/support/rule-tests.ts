/**
 * Unit tests for `promtool test rules`, made from what a contract promises: traffic of each RPC that keeps its promise, breaks it for
 * an hour, or wears it down for days, and which alerts fire.
 */
import type { Contract, Method } from '../../src/contract/contract.ts';

type Kind = 'availability' | 'latency';

/** As promtool reads it (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/); YAML takes JSON. */
interface RuleTest {
  readonly name: string;
  readonly interval: string;
  readonly input_series: readonly { series: string; values: string }[];
  readonly promql_expr_test: readonly object[];
}

/** Calls per minute of every RPC. */
const callsAMinute = 10_000;
/** How long all is well before it is not. */
const quietMinutes = 120;

/** The file of tests for these files of rules: all RPCs at once, in one test for each thing that may happen to them. */
export function ruleTests(ruleFiles: readonly string[], contract: Contract): string {
  const promises = promisesOf(contract);
  const burst = (promise: Promised) => Math.min(20 * promise.budget, 1);
  // The share of the last hour rises from nothing, and passes the limit after this many minutes.
  const noticed = (promise: Promised) => (60 * limitOf(promise.budget, 14.4)) / burst(promise);
  const tests = [
    ruleTest(
      '20 times the budget pages within the hour, and no more once it is over',
      1,
      promises,
      [
        { minutes: quietMinutes, share: () => 0 },
        { minutes: 70, share: burst },
        { minutes: 30, share: () => 0 },
      ],
      [
        ...promises.map((promise) =>
          expectation(promise, quietMinutes + Math.floor(noticed(promise)) - 3, 'page', '1h', 0),
        ),
        ...promises.map((promise) =>
          expectation(promise, quietMinutes + Math.ceil(noticed(promise)) + 3, 'page', '1h', 1),
        ),
        ...promises.map((promise) => expectation(promise, quietMinutes + 95, 'page', '1h', 0)),
      ],
    ),
    ruleTest(
      'half of the budget is nothing',
      1,
      promises,
      [{ minutes: 200, share: ({ budget }) => budget / 2 }],
      promises.map((promise) => expectation(promise, 190, 'page|ticket', '.*', 0)),
    ),
    ruleTest(
      'an outage pages within the hour',
      1,
      promises,
      [
        { minutes: quietMinutes, share: () => 0 },
        { minutes: 65, share: () => 1 },
      ],
      promises.map((promise) => expectation(promise, quietMinutes + 62, 'page', '1h', 1)),
    ),
    callersFault(promises),
    noTraffic(promises),
  ];
  return JSON.stringify({
    rule_files: ruleFiles,
    evaluation_interval: '1m',
    group_eval_order: orderOf(promises),
    tests,
  });
}

/**
 * The same for what takes days, in steps of five minutes. Both counts of a share grow from when there are any, so twenty hours tell of a
 * window of three days what three days would.
 */
export function slowRuleTests(ruleFiles: readonly string[], contract: Contract): string {
  const promises = promisesOf(contract);
  const slow = ({ budget }: Promised) => Math.min(2 * budget, (budget + limitOf(budget, 6)) / 2);
  const tests = [
    ruleTest(
      'twice the budget without end is a ticket',
      5,
      promises,
      [{ minutes: 20 * 60, share: slow }],
      [
        ...promises.map((promise) => expectation(promise, 19 * 60, 'ticket', '3d', 1)),
        ...promises.map((promise) => expectation(promise, 19 * 60, 'page', '.*', 0)),
      ],
    ),
    ruleTest(
      'half of the budget without end is nothing',
      5,
      promises,
      [{ minutes: 20 * 60, share: ({ budget }) => budget / 2 }],
      promises.map((promise) => expectation(promise, 19 * 60, 'page|ticket', '.*', 0)),
    ),
  ];
  return JSON.stringify({
    rule_files: ruleFiles,
    evaluation_interval: '5m',
    group_eval_order: orderOf(promises),
    tests,
  });
}

/**
 * Tickets read shares of six hours, which the groups of pages record. Without an order promtool draws one, and a share that is five
 * minutes old, one step here, is out of its sight.
 */
const orderOf = (promises: readonly Promised[]): string[] =>
  [...new Set(promises.map(({ method }) => method.fullName))].flatMap((rpc) => [`${rpc} page`, `${rpc} ticket`]);

interface Promised {
  readonly method: Method;
  readonly kind: Kind;
  /** Share of calls that may break the promise. */
  readonly budget: number;
}

function promisesOf(contract: Contract): Promised[] {
  const budgetOf = (ppm: number) => (1_000_000 - ppm) / 1_000_000;
  return [...contract.methods.values()].flatMap((method): Promised[] => {
    const { objective } = method;
    if (!objective) return [];
    const availability: Promised = { method, kind: 'availability', budget: budgetOf(objective.availabilityPpm) };
    if (objective.latencyMs === undefined) return [availability];
    return [availability, { method, kind: 'latency', budget: budgetOf(objective.latencyPpm) }];
  });
}

/** The share above which a burn of `factor` is reported. */
const limitOf = (budget: number, factor: number): number => (factor * budget < 1 ? factor * budget : (1 + budget) / 2);

/** Every call fails quickly with NOT_FOUND, or with HTTP 404 over Connect. */
function callersFault(promises: readonly Promised[]): RuleTest {
  const failing = promises.filter(({ kind }) => kind === 'availability');
  const half = `0+${callsAMinute / 2}x200`;
  const test = ruleTest(
    'what callers do wrong is nothing',
    1,
    failing,
    [{ minutes: 200, share: () => 1 }],
    promises.map((promise) => expectation(promise, 190, 'page|ticket', '.*', 0)),
  );
  const quick = promises
    .filter(({ kind }) => kind === 'latency')
    .map(({ method }) => {
      return { series: seriesOf(method, bucket, bucketOf(method)), values: `0+${callsAMinute}x200` };
    });
  const excused = failing.flatMap(({ method }) => [
    { series: seriesOf(method, 'envoy_cluster_grpc', 'grpc_code="5"'), values: half },
    { series: seriesOf(method, 'envoy_vhost_route_upstream_rq_4xx', 'vhost="edge"'), values: half },
  ]);
  return { ...test, input_series: [...test.input_series, ...quick, ...excused] };
}

function noTraffic(promises: readonly Promised[]): RuleTest {
  const test = ruleTest(
    'nobody calls, and nothing fires',
    1,
    promises,
    [{ minutes: 200, share: () => 0 }],
    promises.map((promise) => expectation(promise, 190, 'page|ticket', '.*', 0)),
  );
  return { ...test, input_series: test.input_series.map((input) => ({ ...input, values: '7+0x200' })) };
}

interface Phase {
  readonly minutes: number;
  /** Of calls that break a promise. */
  share(promise: Promised): number;
}

function ruleTest(
  name: string,
  minutes: number,
  promises: readonly Promised[],
  phases: readonly Phase[],
  expectations: readonly object[],
): RuleTest {
  const values = (perMinute: (phase: Phase) => number): string => {
    let count = 0;
    const parts = phases.map((phase) => {
      const steps = phase.minutes / minutes;
      const step = perMinute(phase) * minutes;
      const text = `${count}+${step}x${steps - 1}`;
      count += step * steps;
      return text;
    });
    return parts.join(' ');
  };
  const series = promises.flatMap((promise) => {
    const { method, kind } = promise;
    if (kind === 'latency') {
      const quick = values((phase) => (1 - phase.share(promise)) * callsAMinute);
      return [{ series: seriesOf(method, bucket, bucketOf(method)), values: quick }];
    }
    const failures = values((phase) => phase.share(promise) * callsAMinute);
    return [
      { series: seriesOf(method, 'envoy_cluster_grpc_total', 'callee="x"'), values: values(() => callsAMinute) },
      { series: seriesOf(method, 'envoy_cluster_grpc_failure', 'callee="x"'), values: failures },
    ];
  });
  return { name, interval: `${minutes}m`, input_series: series, promql_expr_test: expectations };
}

const bucket = 'envoy_vhost_route_upstream_rq_time_bucket';
const statNameOf = ({ fullName }: Method): string => fullName.replace('/', '.');
const bucketOf = ({ objective }: Method): string => `le="${objective?.latencyMs}"`;
const seriesOf = (method: Method, metric: string, more: string): string =>
  `${metric}{weft_rpc="${statNameOf(method)}",job="envoy",workload="caller",${more}}`;

/** How many alerts of a severity fire for a promise after so many minutes. */
function expectation({ method, kind }: Promised, minutes: number, severity: string, window: string, count: number) {
  const alertname = kind === 'availability' ? 'AvailabilityBudgetBurns' : 'LatencyBudgetBurns';
  const labels = `alertname="${alertname}",alertstate="firing",weft_rpc="${statNameOf(method)}",severity=~"${severity}",window=~"${window}"`;
  return {
    expr: `count(ALERTS{${labels}}) or vector(0)`,
    eval_time: `${minutes}m`,
    exp_samples: [{ labels: '{}', value: count }],
  };
}
