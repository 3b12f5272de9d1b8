/**
 * How long an RPC may have to wait for its callees in the worst case, over the whole path of calls. An Envoy ends every call at
 * its deadline, all tries included, so a callee takes no longer than that, whatever lies behind it: the worst case of a path is
 * the sum of the deadlines of its first hop, and holds because every further hop is held to the same rule.
 *
 * Calls that run in parallel count together, as the slowest of them; background work counts nothing, since nobody waits for it.
 * A stream that the caller waits for counts with its longest life.
 */
import { type Contract, longestMs } from './contract.ts';
import { formatMs } from './duration.ts';

/** What has to be known of an RPC. Declared and settled contracts both can tell it. */
export interface Waiting {
  /** Its deadline, or the longest life of its stream, in milliseconds. */
  readonly longestMs: number;
  readonly calls: readonly WaitedCall[];
}

interface WaitedCall {
  readonly rpc: string;
  readonly maxTimes: number;
  readonly parallel: boolean;
  readonly background: boolean;
}

/** Looks up an RPC by its full name; undefined when it is not in the contract, or has no limit of its own yet. */
export type Lookup = (rpc: string) => Waiting | undefined;

/** The lookup of a settled contract. */
export const waitingIn =
  ({ methods }: Pick<Contract, 'methods'>): Lookup =>
  (rpc) => {
    const method = methods.get(rpc);
    return method && { longestMs: longestMs(method), calls: method.calls };
  };

/** Longest that an RPC with these `calls` may have to wait for them, in milliseconds; 0 when it waits for none. */
export function worstCaseMs(calls: readonly WaitedCall[], lookup: Lookup): number {
  const limitMs = ({ rpc }: WaitedCall): number => lookup(rpc)?.longestMs ?? 0;
  const waited = calls.filter(({ background }) => !background);
  const inSequence = waited.filter(({ parallel }) => !parallel).map((call) => limitMs(call) * call.maxTimes);
  const inParallel = waited.filter(({ parallel }) => parallel).map(limitMs);
  return inSequence.reduce((sum, ms) => sum + ms, 0) + Math.max(0, ...inParallel);
}

/**
 * The path behind `worstCaseMs` in words, each callee with its own callees in brackets:
 * `CreateQuote 3 s (BatchGetItems 1 s), GetItem 3 x 1 s, at once CountBooks 2 s`. Expects calls without circles. What stands
 * behind an RPC is told once.
 */
export function worstCaseInWords(calls: readonly WaitedCall[], lookup: Lookup, told = new Set<string>()): string {
  const inWords = (call: WaitedCall): string => {
    const callee = lookup(call.rpc);
    const times = call.maxTimes > 1 && !call.parallel ? `${call.maxTimes} x ` : '';
    const behind = callee && !told.has(call.rpc) ? worstCaseInWords(callee.calls, lookup, told.add(call.rpc)) : '';
    const name = call.rpc.slice(call.rpc.lastIndexOf('/') + 1);
    return `${name} ${times}${formatMs(callee?.longestMs ?? 0)}${behind === '' ? '' : ` (${behind})`}`;
  };
  const waited = calls.filter(({ background }) => !background);
  const inParallel = waited.filter(({ parallel }) => parallel);
  return [
    ...waited.filter(({ parallel }) => !parallel).map(inWords),
    ...(inParallel.length > 0 ? [`at once ${inParallel.map(inWords).join(' and ')}`] : []),
  ].join(', ');
}
