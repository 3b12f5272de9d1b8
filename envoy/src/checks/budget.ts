/** A caller cannot promise less than what its callees may take; contract/worst-case.ts says what that is. */
import { type DeclaredContract, governedMethods } from '../contract/declared.ts';
import { formatMs, toMs } from '../contract/duration.ts';
import { type Lookup, worstCaseInWords, worstCaseMs } from '../contract/worst-case.ts';
import { type Check, problemAt } from './check.ts';

export const calleesKeepTheDeadline: Check = (contract) => {
  const lookup = declaredWaitingIn(contract);
  return governedMethods(contract).flatMap((method) => {
    const own = lookup(method.fullName);
    if (!own) return [];
    const worstMs = worstCaseMs(own.calls, lookup);
    if (worstMs === 0 || worstMs <= own.longestMs) return [];
    const path = worstCaseInWords(own.calls, lookup);
    const promise = `${method.fullName} promises ${formatMs(own.longestMs)}`;
    const message = `${promise}, but its callees may take ${formatMs(worstMs)}: ${path}`;
    const mend = 'Lengthen its deadline, shorten theirs, call them fewer times, or in parallel';
    const at = method.policy.deadline ? ['deadline'] : ['stream', 'maxDuration'];
    return [problemAt(method, at, 'deadline-budget', message, mend)];
  });
};

const declaredWaitingIn =
  (contract: DeclaredContract): Lookup =>
  (rpc) => {
    const { deadline, stream, calls = [] } = contract.methods.get(rpc)?.policy ?? {};
    const longest = deadline ?? stream?.maxDuration;
    return (
      longest && { longestMs: toMs(longest), calls: calls.map((call) => ({ ...call, maxTimes: call.maxTimes || 1 })) }
    );
  };
