/**
 * A topology that shortens a deadline has to leave room for all that lives within it: the callees, one try of a retry, the latency
 * that an objective measures.
 */
import type { Contract, Method } from '../contract/contract.ts';
import { formatMs } from '../contract/duration.ts';
import type { Problem } from '../contract/problem.ts';
import { waitingIn, worstCaseInWords, worstCaseMs } from '../contract/worst-case.ts';
import type { Topology } from '../topology/topology.ts';

/** @param contract the contract as the topology keeps it. */
export function findTightenedProblems(contract: Contract, topology: Topology): Problem[] {
  return topology.tighten.flatMap(({ at, subject }) => {
    const method = contract.methods.get(subject);
    if (method?.limits.kind !== 'unary') return [];
    const { deadlineMs } = method.limits;
    return within(contract, method)
      .filter(({ ms }) => ms > deadlineMs)
      .map(({ ms, what }) => {
        const message = `${subject}: deadline_ms is ${formatMs(deadlineMs)}, which is less than ${what} ${formatMs(ms)}`;
        const mend = `Choose ${ms} or more, or remove it`;
        return { at, rule: 'tighten', message, mend };
      });
  });
}

function within(contract: Contract, { calls, retry, objective }: Method): { ms: number; what: string }[] {
  const lookup = waitingIn(contract);
  return [
    { ms: worstCaseMs(calls, lookup), what: `its callees may take (${worstCaseInWords(calls, lookup)}):` },
    { ms: retry?.perTryTimeoutMs ?? 0, what: 'one try may take:' },
    { ms: objective?.latencyMs ?? 0, what: "its objective's latency," },
  ];
}
