/** The panels of a workload as a whole: its sidecars, its replicas as callers see them, and whom it refuses. */
import { job, workloadLabel } from '../alerts/selectors.ts';
import { metrics } from '../blocks/statistics.ts';
import { canaryCluster } from '../bootstrap/canary.ts';
import type { Workload } from '../contract/contract.ts';
import type { Panel } from './panel.ts';

const window = '$__rate_interval';

/** In the order of asking: is it there, can it be reached, does it refuse. */
export function workloadPanels({ name, maxConcurrentRequests }: Workload): Panel[] {
  const own = `${workloadLabel}="${name}"`;
  const versions = `callee=~"${name}|${canaryCluster(name)}"`;
  const each = (metric: string, labels: string): string => `sum(rate(${metric}{${labels}}[${window}]))`;
  const line = { kind: 'timeseries', unit: 'reqps', width: 8 } as const;
  return [
    {
      kind: 'stat',
      title: 'Sidecars',
      description: 'Envoys of this workload that Prometheus gets statistics from.',
      unit: 'none',
      queries: [{ expr: `sum(up{job="${job}",${own}})`, legend: 'sidecars' }],
      limit: 1,
      width: 4,
    },
    {
      kind: 'stat',
      title: 'Certificates',
      description:
        'Days until the first certificate expires. They are renewed well before; an alert says when they are not.',
      unit: 'd',
      queries: [{ expr: `min(${metrics.certificateDays}{${own}})`, legend: 'days' }],
      limit: 7,
      width: 4,
    },
    {
      kind: 'timeseries',
      title: 'Replicas',
      description: 'How many answer health checks, as each caller sees them.',
      unit: 'none',
      queries: [
        { expr: `sum by (${workloadLabel}) (${metrics.healthyReplicas}{${versions}})`, legend: 'seen by {{workload}}' },
      ],
      width: 8,
    },
    {
      ...line,
      title: 'Retries beyond the budget',
      description: 'Calls to this workload that were not tried again because too many are already.',
      queries: [{ expr: each(metrics.retryOverflow, versions), legend: 'cut off' }],
    },
    {
      ...line,
      title: 'Refused: too many at once',
      description: `Calls that found ${maxConcurrentRequests} others in one replica.`,
      queries: [{ expr: each(metrics.overload, `callee="app",${own}`), legend: 'RESOURCE_EXHAUSTED' }],
    },
    {
      ...line,
      title: 'Refused: rate limits',
      description:
        'Calls of workloads that exceeded the rate limit of an RPC. What users exceed is refused at the edge.',
      queries: [{ expr: each(metrics.rateLimited, own), legend: 'RESOURCE_EXHAUSTED' }],
    },
    {
      ...line,
      title: 'Refused: not declared',
      description: 'Calls of workloads whose contract does not declare them.',
      queries: [{ expr: each(metrics.denied, `hcm="inbound",${own}`), legend: 'PERMISSION_DENIED' }],
    },
  ];
}
