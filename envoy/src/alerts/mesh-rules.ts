/** Alerts that hold whatever an RPC promises: refusals, calls that nobody declared, certificates, and sidecars that nobody sees. */
import { edgeName } from '../blocks/names.ts';
import { metrics } from '../blocks/statistics.ts';
import type { Rule, RuleGroup } from './rule.ts';
import { job, workloadLabel } from './selectors.ts';

/** A workload of the contract, and where its services stand. */
export interface Place {
  readonly workload: string;
  readonly source: string;
}

/** All of them. */
export const meshRules = (places: readonly Place[]): RuleGroup[] => [
  { name: 'refusals', rules: [refused, refusedAtEdge, overloaded, undeclared] },
  { name: 'reach', rules: [late, retryBudget] },
  { name: 'certificates', rules: [certificate('ticket', 7), certificate('page', 2)] },
  { name: 'scrapes', rules: [...places, { workload: edgeName, source: 'every mesh' }].map(unseen) },
];

/** How long and how much: a share of calls, over a time that outlasts one noisy minute. */
const window = '10m';
const notableShare = 0.05;

const shareOfCalls = (code: number): string =>
  `sum by (weft_rpc) (rate(${metrics.callsByCode}{grpc_code="${code}"}[${window}])) / sum by (weft_rpc) (rate(${metrics.calls}[${window}])) > ${notableShare}`;

const refused: Rule = {
  note: '`rate_limit` and `max_concurrent_requests`, as callers inside the mesh and users behind the edge meet them.',
  rule: {
    alert: 'CallsRefused',
    expr: shareOfCalls(8),
    for: '5m',
    labels: { severity: 'ticket' },
    annotations: {
      summary: '{{ $labels.weft_rpc }}: {{ $value | humanizePercentage }} of calls are refused with RESOURCE_EXHAUSTED',
      description: `More than ${notableShare * 100} % of the calls of ${window} ran into the RPC’s rate limit or its service’s concurrency limit.`,
      runbook:
        '1. When WorkloadOverloaded fires too, follow that. 2. Else find the caller that exceeds its rate limit: it is the peer of the lines with grpc ResourceExhausted in the callee’s access log. 3. Mend its loop, or raise rate_limit in the contract.',
    },
  },
};

const refusedAtEdge: Rule = {
  note: '`rate_limit`, as users meet it at the edge.',
  rule: {
    alert: 'UsersRefused',
    expr: `sum(rate(${metrics.rateLimited}{${workloadLabel}="${edgeName}"}[${window}])) / sum(rate(${metrics.requests}{hcm="${edgeName}"}[${window}])) > ${notableShare}`,
    for: '5m',
    labels: { severity: 'ticket' },
    annotations: {
      summary: '{{ $value | humanizePercentage }} of requests are refused at the edge by rate limits',
      description: `More than ${notableShare * 100} % of the requests of ${window} exceeded the rate limit of their RPC for one user or client address.`,
      runbook:
        '1. Count the lines with code 8 or HTTP 429 in the edge’s access log by route. 2. One client on one route: block it, or talk to its owner. 3. Many clients: raise rate_limit of that RPC in the contract.',
    },
  },
};

const overloaded: Rule = {
  note: '`max_concurrent_requests`.',
  rule: {
    alert: 'WorkloadOverloaded',
    expr: `sum by (${workloadLabel}) (rate(${metrics.overload}{callee="app"}[5m])) > 0`,
    for: '5m',
    labels: { severity: 'ticket' },
    annotations: {
      summary: '{{ $labels.workload }} refuses {{ $value | humanize }} calls per second: too many at once',
      description:
        'For five minutes some calls found the service at its concurrency limit, and were answered RESOURCE_EXHAUSTED.',
      runbook:
        '1. See on the dashboard whether latency rose first: then what the service waits for is slow, follow its trace. 2. If the rate of calls rose, add replicas. 3. Raise max_concurrent_requests only when the service has processor and memory to spare.',
    },
  },
};

const undeclared: Rule = {
  note: '`calls`.',
  rule: {
    alert: 'UndeclaredCalls',
    expr: `sum by (${workloadLabel}) (increase(${metrics.denied}{hcm="inbound"}[${window}])) > 0`,
    labels: { severity: 'ticket' },
    annotations: {
      summary: 'Somebody calls RPCs of {{ $labels.workload }} that no contract lets it call',
      description: `{{ $value | humanize }} calls in ${window} came from an identity of the mesh without a declared call, and were answered PERMISSION_DENIED.`,
      runbook:
        '1. Find the peer: lines with rbac_access_denied in the access log of {{ $labels.workload }}. 2. A workload newer than the callee’s configuration: roll out the callee’s sidecar. 3. A caller that should call: declare it in `calls`. 4. Neither: treat the caller’s identity as stolen, and revoke its certificate.',
    },
  },
};

const late: Rule = {
  note: '`deadline`.',
  rule: {
    alert: 'DeadlinesExceeded',
    expr: shareOfCalls(4),
    for: '5m',
    labels: { severity: 'ticket' },
    annotations: {
      summary: '{{ $labels.weft_rpc }}: {{ $value | humanizePercentage }} of calls exceed their deadline',
      description: `More than ${notableShare * 100} % of the calls of ${window} ended with DEADLINE_EXCEEDED. The caller’s deadline may be shorter than the contract’s.`,
      runbook:
        '1. Compare the latency on the dashboard with the deadline of the contract. 2. Open a trace of such a call, and see which hop takes the time. 3. If only one caller meets it, its own deadline is too short.',
    },
  },
};

const retryBudget: Rule = {
  note: '`retry`: at most a fifth of the calls to a workload are retries.',
  rule: {
    alert: 'RetryBudgetExhausted',
    expr: `sum by (callee) (increase(${metrics.retryOverflow}[${window}])) > 0`,
    for: '5m',
    labels: { severity: 'ticket' },
    annotations: {
      summary: 'Calls to {{ $labels.callee }} fail so often that their retries are cut off',
      description: `{{ $value | humanize }} retries in ${window} were beyond the budget, so that their calls failed at the first try.`,
      runbook:
        '1. Retries do not help any more: find why {{ $labels.callee }} fails, on its dashboard and in its log. 2. Roll back what was changed, or add replicas. 3. Never raise the budget: it keeps an outage from growing.',
    },
  },
};

const certificate = (severity: 'page' | 'ticket', days: number): Rule => ({
  note: 'Identities: every call needs one at either end.',
  rule: {
    alert: 'CertificateExpires',
    expr: `min by (${workloadLabel}, instance) (${metrics.certificateDays}) < ${days}`,
    for: '15m',
    labels: { severity },
    annotations: {
      summary: 'A certificate of {{ $labels.workload }} expires in {{ $value }} days',
      description: `Fewer than ${days} days are left, so the rotation does not work. All calls to and from {{ $labels.workload }} fail when it has expired.`,
      runbook:
        '1. See whether the issuer wrote a new certificate into the watched folder: `current` has to be swapped as a whole. 2. Issue one by hand. 3. The sidecar takes it without a restart; envoy_server_days_until_first_cert_expiring rises.',
    },
  },
});

const unseen = ({ workload, source }: Place): Rule => {
  const target = `up{job="${job}",${workloadLabel}="${workload}"}`;
  return {
    note: source,
    rule: {
      alert: 'SidecarUnseen',
      expr: `${target} == 0 or absent(${target})`,
      for: '5m',
      labels: { severity: 'ticket', [workloadLabel]: workload },
      annotations: {
        summary: `Prometheus gets no statistics from an Envoy of ${workload}`,
        description: `For five minutes an Envoy of ${workload} did not answer, or none is known. Alerts on the calls that it makes are blind.`,
        runbook: `1. See whether the Envoy runs, and whether its admin address answers /ready. 2. See whether the scrape configuration names it, with the labels job="${job}" and ${workloadLabel}="${workload}".`,
      },
    },
  };
};
