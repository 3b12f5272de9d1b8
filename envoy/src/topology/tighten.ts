/** Fits a topology to a contract: applies its tighter values, refuses the ones that are not tighter and the names that there are not. */
import { edgeName } from '../blocks/names.ts';
import type { Contract, Method, Workload } from '../contract/contract.ts';
import { formatMs } from '../contract/duration.ts';
import type { Problem } from '../contract/problem.ts';
import type { Tightening, Topology } from './topology.ts';

/** The contract as this topology keeps it. Problems are added to `problems`. */
export function tighten(contract: Contract, topology: Topology, problems: Problem[]): Contract {
  const refuse = ({ at, subject }: Tightening, message: string, mend: string): void => {
    problems.push({ at, rule: 'tighten', message: `${subject}: ${message}`, mend });
  };
  for (const { workload, at } of topology.mentioned) {
    if (contract.workloads.has(workload) || workload === edgeName) continue;
    const mend = `Use one of ${[...contract.workloads.keys()].join(', ')}`;
    problems.push({ at, rule: 'topology', message: `The contracts have no workload "${workload}"`, mend });
  }
  let methods = contract.methods;
  let workloads = contract.workloads;
  for (const entry of topology.tighten) {
    const method = methods.get(entry.subject);
    const workload = workloads.get(entry.subject);
    if (method) {
      methods = new Map(methods).set(method.fullName, tightenMethod(method, entry, refuse));
    } else if (workload) {
      workloads = new Map(workloads).set(workload.name, tightenWorkload(workload, entry, refuse));
    } else {
      refuse(entry, 'there is no RPC and no workload of this name', 'Write the full name of an RPC, or a workload');
    }
  }
  const withMethods = [...workloads].map(([name, workload]) => {
    return [name, { ...workload, methods: workload.methods.map((m) => methods.get(m.fullName) ?? m) }] as const;
  });
  return { methods, workloads: new Map(withMethods) };
}

type Refuse = (entry: Tightening, message: string, mend: string) => void;

function tightenMethod(method: Method, entry: Tightening, refuse: Refuse): Method {
  if (entry.maxConcurrentRequests !== undefined) {
    refuse(entry, 'max_concurrent_requests belongs to a workload', 'Tighten the workload, not the RPC');
  }
  return { ...method, limits: tightenLimits(method, entry, refuse), rateLimit: tightenRate(method, entry, refuse) };
}

function tightenLimits({ limits }: Method, entry: Tightening, refuse: Refuse): Method['limits'] {
  const { deadlineMs } = entry;
  if (deadlineMs === undefined) return limits;
  if (limits.kind === 'stream') {
    refuse(entry, 'a stream has no deadline', 'Remove deadline_ms');
    return limits;
  }
  if (deadlineMs > limits.deadlineMs) {
    refuse(entry, `deadline_ms is longer than the contract's ${formatMs(limits.deadlineMs)}`, 'Choose a shorter one');
  }
  return { kind: 'unary', deadlineMs };
}

function tightenRate({ rateLimit }: Method, entry: Tightening, refuse: Refuse): Method['rateLimit'] {
  const { requestsPerSecond } = entry;
  if (requestsPerSecond === undefined) return rateLimit;
  if (rateLimit && requestsPerSecond > rateLimit.requestsPerSecond) {
    const message = `requests_per_second is more than the contract's ${rateLimit.requestsPerSecond}`;
    refuse(entry, message, 'Choose a smaller one');
  }
  return { requestsPerSecond, burst: requestsPerSecond };
}

function tightenWorkload(workload: Workload, entry: Tightening, refuse: Refuse): Workload {
  if (entry.deadlineMs !== undefined || entry.requestsPerSecond !== undefined) {
    refuse(entry, 'deadline_ms and requests_per_second belong to an RPC', 'Tighten the RPC, not the workload');
  }
  const { maxConcurrentRequests } = entry;
  if (maxConcurrentRequests === undefined) return workload;
  if (maxConcurrentRequests > workload.maxConcurrentRequests) {
    const message = `max_concurrent_requests is more than the contract's ${workload.maxConcurrentRequests}`;
    refuse(entry, message, 'Choose a smaller one');
  }
  return { ...workload, maxConcurrentRequests };
}
