/**
 * Second versions of workloads, at their callers: a cluster of their own, and the choice between the two on each route. One route
 * chooses, not two: buckets of rate limits stand on routes, and a client that could choose its route would have two of them.
 */
import type { BlockMap } from '../blocks/block.ts';
import type { Canary, Topology } from '../topology/topology.ts';

/** The cluster of the second version. No workload can have this name, and Envoy's statistics break names at dots. */
export const canaryCluster = (workload: string): string => `${workload}_canary`;

const weightOfAll = 10_000;

/** What a route's action says in place of its cluster; nothing for a workload with one version. */
export function chooseVersion({ canaries }: Topology, workload: string): BlockMap {
  const canary = canaries.get(workload);
  if (!canary) return {};
  const [first, second] = weights(canary);
  return {
    cluster: undefined,
    weighted_clusters: {
      clusters: [
        { name: workload, weight: first },
        { name: canaryCluster(workload), weight: second },
      ],
      header_name: canary.header && choiceHeader(workload),
    },
  };
}

/** Without a share for the rest, everyone gets a choice, and the two weigh the same. */
const weights = ({ percent }: Canary): [first: number, second: number] => {
  const second = Math.round((percent * weightOfAll) / 100);
  return percent === 0 ? [1, 1] : [weightOfAll - second, second];
};

/** The header in which a listener writes down what the header of a canary means, as a number to choose by. */
const choiceHeader = (workload: string): string => `${choicePrefix}${workload}`;
/** Nobody else may choose. */
export const choicePrefix = 'x-weft-choice-';

/** What a route says besides, so that no service sees what was chosen. */
export const hideChoice = ({ canaries }: Topology, workload: string): BlockMap =>
  canaries.get(workload)?.header ? { request_headers_to_remove: [choiceHeader(workload)] } : {};

/** The headers that listeners of callers add early: what is chosen for bearers, and with a share of 0 for everyone else too. */
export function choices({ canaries }: Topology, callees: Iterable<string>): (readonly [key: string, value: string])[] {
  return [...callees].flatMap((workload) => {
    const canary = canaries.get(workload);
    if (!canary?.header) return [];
    const { name, value } = canary.header;
    const bears = `'${name}' in request.headers && request.headers['${name}'] == '${value}'`;
    // A number is taken modulo the sum of the weights: the last one chooses the second version. No number leaves it to chance.
    const [bearer, other] = canary.percent === 0 ? ['1', '0'] : [String(weightOfAll - 1), ''];
    return [[choiceHeader(workload), `%CEL(${bears} ? '${bearer}' : '${other}')%`] as const];
  });
}

/** Headers that browsers may send to the edge for the sake of canaries. */
export const steeringHeaders = ({ canaries }: Topology): string[] =>
  [...new Set([...canaries.values()].flatMap(({ header }) => header?.name ?? []))].sort();
