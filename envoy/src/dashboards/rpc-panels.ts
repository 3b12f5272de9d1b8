/** Three panels of one RPC: how many calls and how they end, the share that failed, and how long they take. */
import { percent } from '../alerts/burn-rate.ts';
import { failedShare, ofRpc, slowShare } from '../alerts/selectors.ts';
import { metrics } from '../blocks/statistics.ts';
import type { Method } from '../contract/contract.ts';
import { formatMs } from '../contract/duration.ts';
import type { Panel } from './panel.ts';

const window = '$__rate_interval';
const width = 8;

/** Streams have two: they last as long as their callers want. */
export function rpcPanels(method: Method, source: string): Panel[] {
  const [, name = ''] = method.fullName.split('/');
  const about = [method.comment, `\`${method.fullName}\`, declared in ${source}.`]
    .filter((text) => text !== '')
    .join('\n\n');
  return [calls(method, name, about), failures(method, name, source), ...latency(method, name, source)];
}

const calls = (method: Method, name: string, description: string): Panel => ({
  kind: 'timeseries',
  title: `${name}: calls`,
  description,
  unit: 'reqps',
  queries: [
    { expr: `sum(rate(${metrics.calls}${ofRpc(method)}[${window}]))`, legend: 'all' },
    {
      expr: `sum by (grpc_code) (rate(${metrics.callsByCode}${ofRpc(method, 'grpc_code!="0"')}[${window}]))`,
      legend: 'gRPC status {{grpc_code}}',
    },
    { expr: `sum(rate(${metrics.retries}${ofRpc(method)}[${window}]))`, legend: 'retries' },
  ],
  width,
});

function failures(method: Method, name: string, source: string): Panel {
  const { objective } = method;
  const promise = objective
    ? `${source} promises that ${percent(objective.availabilityPpm)} do not fail: the line is where the budget begins to shrink.`
    : `${source} promises nothing, so that no alert looks at this.`;
  return {
    kind: 'timeseries',
    title: `${name}: failed`,
    description: `Share of calls that fail through the service’s fault, or by their deadline. ${promise}`,
    unit: 'percentunit',
    queries: [{ expr: failedShare(method, window), legend: 'failed' }],
    ...(objective ? { limit: (1_000_000 - objective.availabilityPpm) / 1_000_000 } : {}),
    width,
  };
}

function latency(method: Method, name: string, source: string): Panel[] {
  const { limits, objective } = method;
  if (limits.kind === 'stream') return [];
  const promisedMs = objective?.latencyMs;
  const promise =
    objective && promisedMs !== undefined
      ? `${source} promises ${formatMs(promisedMs)} to ${percent(objective.latencyPpm)}: the line.`
      : `${source} promises no latency.`;
  const quantile = (of: number): string =>
    `histogram_quantile(${of}, sum by (le) (rate(${metrics.latencyMs}_bucket${ofRpc(method)}[${window}])))`;
  const panel: Panel = {
    kind: 'timeseries',
    title: `${name}: latency`,
    description: `How long callers wait, all tries included; calls that are never answered are missing. The deadline is ${formatMs(limits.deadlineMs)}. ${promise}`,
    unit: 'ms',
    queries: [
      { expr: quantile(0.5), legend: 'half of the calls' },
      { expr: quantile(0.99), legend: '99 % of the calls' },
    ],
    width,
  };
  return [promisedMs === undefined ? panel : { ...panel, limit: promisedMs }];
}

/** What the last day left of an RPC's budgets: 1 is untouched, 0 is spent, below it more was spent than there is. */
export function budgetPanels(method: Method, source: string): Panel[] {
  const { objective, limits } = method;
  const [, name = ''] = method.fullName.split('/');
  if (!objective) return [];
  const panel = (what: string, ppm: number, share: string): Panel[] => {
    const budget = (1_000_000 - ppm) / 1_000_000;
    if (budget === 0) return [];
    const description = `What the last day left of the budget of a day: ${percent(ppm)} are promised at ${source}.`;
    const queries = [{ expr: `1 - (${share}) / ${budget}`, legend: name }];
    return [
      {
        kind: 'stat',
        title: `${name}: ${what} budget`,
        description,
        unit: 'percentunit',
        queries,
        limit: 0.1,
        width: 4,
      },
    ];
  };
  return [
    ...panel('availability', objective.availabilityPpm, failedShare(method, '1d')),
    ...(objective.latencyMs === undefined || limits.kind === 'stream'
      ? []
      : panel('latency', objective.latencyPpm, slowShare(method, objective.latencyMs, '1d'))),
  ];
}
