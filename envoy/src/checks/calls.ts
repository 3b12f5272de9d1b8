/** What RPCs say they call: it exists, lies in another workload, and leads to no circle. */
import { type DeclaredContract, type DeclaredMethod, governedMethods } from '../contract/declared.ts';
import type { Problem } from '../contract/problem.ts';
import { onFailures } from '../contract/vocabulary.ts';
import { nearest } from '../nearest.ts';
import { type Check, outOfRange, problemAt, repeatedEntries } from './check.ts';
import { findCircles } from './circles.ts';

export const callsNameKnownRpcs: Check = (contract) =>
  governedMethods(contract).flatMap((method) =>
    [...method.policy.calls.entries()]
      .filter(([, { rpc }]) => !contract.methods.has(rpc))
      .map(([index, { rpc }]) => {
        const message = `${method.fullName} calls ${rpc === '' ? 'an RPC without a name' : rpc}, which does not exist`;
        return problemAt(method, ['calls', index, 'rpc'], 'unknown-call', message, suggestion(contract, rpc));
      }),
  );

export const callsLeaveTheWorkload: Check = (contract) =>
  governedMethods(contract).flatMap((method) =>
    [...method.policy.calls.entries()]
      .filter(([, { rpc }]) => isSameWorkload(method, contract.methods.get(rpc)))
      .map(([index, { rpc }]) => {
        const message = `${method.fullName} calls ${rpc}, which the same workload answers`;
        const mend = 'Call the function behind it instead: the mesh carries calls between workloads only';
        return problemAt(method, ['calls', index, 'rpc'], 'own-call', message, mend);
      }),
  );

export const callsAreListedOnce: Check = (contract) =>
  governedMethods(contract).flatMap((method) =>
    repeatedEntries(method.policy.calls.map(({ rpc }) => rpc)).map(([index, rpc]) => {
      const message = `${method.fullName} lists ${rpc} twice`;
      return problemAt(method, ['calls', index], 'repeated-call', message, 'Use one entry, with max_times');
    }),
  );

export const callTimesAreInRange: Check = (contract) =>
  governedMethods(contract).flatMap((method) =>
    [...method.policy.calls.entries()].flatMap(([index, { maxTimes }]) =>
      maxTimes === 0 ? [] : outOfRange(method, ['calls', index, 'maxTimes'], maxTimes, 'maxTimes', method.fullName),
    ),
  );

/** An options.proto from before this option leaves it out of the value. */
export const callFailuresAreAnswered: Check = (contract) =>
  governedMethods(contract).flatMap((method) =>
    [...method.policy.calls.entries()].flatMap(([index, { rpc, background, onFailure = 0 }]) => {
      const at = ['calls', index, 'onFailure'];
      if (onFailures[onFailure] === undefined) {
        const message = `${method.fullName}: ${onFailure} is no answer to a failure of ${rpc}`;
        return [problemAt(method, at, 'on-failure', message, 'Use ON_FAILURE_REFUSE or ON_FAILURE_DEGRADE')];
      }
      if (!background || onFailure === 0) return [];
      const message = `${method.fullName} calls ${rpc} in the background, so nobody waits for an answer to its failure`;
      return [problemAt(method, at, 'on-failure', message, 'Remove on_failure, or background')];
    }),
  );

/** An RPC that leads back to itself never ends. */
export const rpcsFormNoCircle: Check = (contract) => {
  const edges = governedMethods(contract).map(
    (method) => [method.fullName, method.policy.calls.map(({ rpc }) => rpc)] as const,
  );
  return findCircles(new Map(edges)).map((circle) => circleProblem(contract, circle, circle.join(' -> ')));
};

/** Two workloads that call each other can neither start nor be rolled out one after the other, even where no RPC is in a circle. */
export const workloadsFormNoCircle: Check = (contract) => {
  if (rpcsFormNoCircle(contract).length > 0) return [];
  const between = new Map<string, Map<string, [caller: string, callee: string]>>();
  for (const method of governedMethods(contract)) {
    const caller = method.service.policy?.workload;
    for (const { rpc } of method.policy.calls) {
      const callee = contract.methods.get(rpc)?.service.policy?.workload;
      if (caller === undefined || callee === undefined || caller === callee) continue;
      const calls = between.get(caller) ?? new Map<string, [string, string]>();
      if (!calls.has(callee)) calls.set(callee, [method.fullName, rpc]);
      between.set(caller, calls);
    }
  }
  const edges = [...between].map(([caller, calls]) => [caller, [...calls.keys()]] as const);
  return findCircles(new Map(edges)).map((circle) => {
    const [from = '', to = ''] = circle;
    return circleProblem(contract, between.get(from)?.get(to) ?? [], `between workloads ${circle.join(' -> ')}`);
  });
};

/** Reported where the first RPC of the circle declares its call. */
function circleProblem(contract: DeclaredContract, call: readonly string[], text: string): Problem {
  const [caller = '', callee = ''] = call;
  const method = contract.methods.get(caller);
  if (!method) throw new Error(`circle through ${caller}, which is not in the contract`);
  const index = method.policy?.calls.findIndex(({ rpc }) => rpc === callee) ?? 0;
  const mend = 'Remove one of these calls; downstream learns of changes by opening a stream';
  return problemAt(method, ['calls', index, 'rpc'], 'circle', `Calls go in a circle: ${text}`, mend);
}

const isSameWorkload = (caller: DeclaredMethod, callee: DeclaredMethod | undefined): boolean =>
  callee?.service.policy?.workload !== undefined && callee.service.policy.workload === caller.service.policy?.workload;

/** Names the RPC that was probably meant: the same method elsewhere, or a name with a slip of the pen. */
function suggestion(contract: DeclaredContract, rpc: string): string {
  const methodOf = (name: string): string => name.replace(/^.*[./]/, '');
  const names = [...contract.methods.keys()];
  const same = names.find((name) => methodOf(name).toLowerCase() === methodOf(rpc).toLowerCase());
  const similar = nearest(
    rpc,
    names.filter((name) => nearest(methodOf(rpc), [methodOf(name)]) !== undefined),
  );
  const meant = same ?? similar;
  return meant ? `Did you mean ${meant}` : 'Write the full name, as in some.pkg.v1.SomeService/SomeMethod';
}
