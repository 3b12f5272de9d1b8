/** What changed in promises from one contract to another: the half of a comparison that `buf breaking` leaves out. */
import type { Contract, Method, Workload } from '../contract/contract.ts';
import { compareCallers } from './callers.ts';
import { type Change, sortChanges } from './change.ts';
import { compareMethods } from './methods.ts';

/** Every change, the most dangerous first. */
export function compareContracts(before: Contract, after: Contract): Change[] {
  const removed = [...before.methods.values()].filter(({ fullName }) => !after.methods.has(fullName));
  return sortChanges([
    ...removed.map(({ fullName, position }): Change => {
      return { kind: 'rpc-removed', subject: fullName, text: 'is gone', at: position };
    }),
    ...[...after.methods.values()].flatMap((method) => compareRpc(before, after, method)),
    ...compareWorkloads(before, after),
  ]);
}

function compareRpc(before: Contract, after: Contract, method: Method): Change[] {
  const was = before.methods.get(method.fullName);
  const { fullName: subject, position: at } = method;
  const own = was
    ? compareMethods(was, method).map(([kind, text]): Change => ({ kind, subject, text, at }))
    : [added(method)];
  return [...own, ...compareCallers(before, after, subject)];
}

function added({ fullName: subject, exposure, scopes, position: at }: Method): Change {
  if (exposure === 'INTERNAL') return { kind: 'rpc-added', subject, text: 'is new, inside of the mesh only', at };
  const who = exposure === 'PUBLIC' ? 'anyone' : `tokens with ${scopes.join(' or ')}`;
  return { kind: 'door-added', subject, text: `is new, and may be called from outside by ${who}`, at };
}

function compareWorkloads(before: Contract, after: Contract): Change[] {
  return [...after.workloads.values()].flatMap((workload) => {
    const was = before.workloads.get(workload.name);
    return was ? compareWorkload(was, workload) : [];
  });
}

function compareWorkload(was: Workload, is: Workload): Change[] {
  const changes: Change[] = [];
  const change = { subject: is.name, at: is.methods[0]?.position };
  const [from, to] = [was.maxConcurrentRequests, is.maxConcurrentRequests];
  if (from !== to) {
    const kind = to < from ? 'concurrency-lowered' : 'concurrency-raised';
    changes.push({ ...change, kind, text: `works on ${to} requests at once, and did on ${from}` });
  }
  const [ejection, ejected] = [was.outlierEjection, is.outlierEjection];
  if (
    ejection.consecutiveFailures !== ejected.consecutiveFailures ||
    ejection.baseEjectionTimeMs !== ejected.baseEjectionTimeMs
  ) {
    changes.push({
      ...change,
      kind: 'ejection-changed',
      text: 'is left alone by its callers after other failures, or for another time',
    });
  }
  return changes;
}
