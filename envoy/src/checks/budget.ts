/**
 * A caller cannot promise less than what its callees may take. The worst case of an RPC is the sum of its callees' deadlines, each
 * as often as it is called; calls that run in parallel count once and as one group, the slowest of them; background work counts
 * nothing, nor do streams, whose life is no time that anybody waits.
 */
import type { Call } from '@weft/gen/weft/mesh/v1/options_pb.js';
import { type DeclaredContract, type GovernedMethod, governedMethods } from '../contract/declared.ts';
import { formatMs, toMs } from '../contract/duration.ts';
import { type Check, problemAt } from './check.ts';

export const calleesKeepTheDeadline: Check = (contract) =>
  governedMethods(contract).flatMap((method) => {
    const promised = method.policy.deadline ?? method.policy.stream?.maxDuration;
    if (!promised) return [];
    const worstMs = worstCaseMs(contract, method);
    if (worstMs === 0 || worstMs <= toMs(promised)) return [];
    const message = `${method.fullName} promises ${formatMs(toMs(promised))}, but its callees may take ${formatMs(worstMs)}`;
    const mend = 'Lengthen its deadline, shorten theirs, call them fewer times, or in parallel';
    return [
      problemAt(
        method,
        method.policy.deadline ? ['deadline'] : ['stream', 'maxDuration'],
        'deadline-budget',
        message,
        mend,
      ),
    ];
  });

/** Longest that `method` may have to wait for its callees, in milliseconds. */
export function worstCaseMs(contract: DeclaredContract, method: GovernedMethod): number {
  const waited = method.policy.calls.filter(({ background }) => !background);
  const inSequence = waited.filter(({ parallel }) => !parallel);
  const inParallel = waited.filter(({ parallel }) => parallel);
  const sum = inSequence.reduce((total, call) => total + deadlineMs(contract, call) * (call.maxTimes || 1), 0);
  return sum + Math.max(0, ...inParallel.map((call) => deadlineMs(contract, call)));
}

function deadlineMs(contract: DeclaredContract, { rpc }: Call): number {
  const deadline = contract.methods.get(rpc)?.policy?.deadline;
  return deadline ? toMs(deadline) : 0;
}
