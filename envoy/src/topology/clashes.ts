/** Places of a topology that cannot all be where it says they are. */
import type { Position } from '../contract/position.ts';
import type { Problem } from '../contract/problem.ts';
import { formatAddress } from './address.ts';
import type { Topology } from './topology.ts';

/**
 * Workloads that are reached at one address (calls for one would arrive at the other), and listeners of one workload that share
 * one. Whether two workloads share a machine is not known here, so that nothing else is compared across them.
 */
export function findClashes(topology: Topology, workloads: Iterable<string>): Problem[] {
  const problems: Problem[] = [];
  const reached = new Map<string, string>();
  for (const workload of workloads) {
    const refuse = (names: readonly string[], message: string, mend: string): void => {
      problems.push({ at: positionOf(topology, names), rule: 'topology', message, mend });
    };
    const { inbound, outbound, app, admin, reachedAt } = topology.placeOf(workload);
    const canary = topology.canaries.get(workload)?.reachedAt ?? [];
    for (const address of [...reachedAt, ...canary].map(formatAddress)) {
      const other = reached.get(address);
      if (other !== undefined && other !== workload) {
        refuse(
          [workload, other],
          `${workload} and ${other} are both reached at ${address}`,
          'Give each its own, as with {workload}',
        );
      }
      reached.set(address, workload);
    }
    const listeners = Object.entries({ inbound, outbound, app, admin }).map(([key, address]) => {
      return [key, formatAddress(address)] as const;
    });
    for (const [index, [key, address]] of listeners.entries()) {
      const [first] = listeners.slice(0, index).find(([, earlier]) => earlier === address) ?? [];
      if (first)
        refuse([workload], `${first} and ${key} of ${workload} are both ${address}`, 'Give each its own address');
    }
  }
  return problems;
}

/** Where the topology first speaks of one of these workloads, else where it begins. */
const positionOf = (topology: Topology, workloads: readonly string[]): Position =>
  topology.mentioned.find(({ workload }) => workloads.includes(workload))?.at ?? { file: topology.file, line: 1 };
