/**
 * Retries multiply along a path of calls: three tries of a caller, each with three tries of its callee, are nine calls of a
 * service that is already in trouble. So one path has retries at one hop, and few tries altogether. Background work begins a
 * path of its own: it is not made again because its caller's call is.
 */
import { type DeclaredContract, type GovernedMethod, governedMethods } from '../contract/declared.ts';
import type { Problem } from '../contract/problem.ts';
import { triesOfAPath } from '../contract/vocabulary.ts';
import { type Check, problemAt } from './check.ts';

/** RPCs from a caller down to its last callee, by their full names, and how often one call of the first reaches the last. */
interface Path {
  readonly rpcs: readonly string[];
  readonly tries: number;
}

export const retriesAreAtOneHop: Check = (contract) =>
  forEachRetriedPath(contract, (method, path) => {
    const last = path.rpcs.at(-1);
    const message = `${method.fullName} is retried, and so is ${last}, which it waits for: ${inWords(contract, path)}`;
    return problemAt(method, ['retry'], 'retry-hops', message, `Remove \`retry\` from one of the two`);
  });

export const triesOfAPathAreFew: Check = (contract) =>
  forEachRetriedPath(contract, (method, path) => {
    if (path.tries <= triesOfAPath) return undefined;
    const message = `One call of ${method.fullName} may become ${path.tries} of ${path.rpcs.at(-1)}: ${inWords(contract, path)}`;
    const mend = `Lower \`max_attempts\` along the path until their product is at most ${triesOfAPath}`;
    return problemAt(method, ['retry', 'maxAttempts'], 'tries-product', message, mend);
  });

/** Asks about each RPC that is retried and waits for another one that is, with the path of most tries. */
function forEachRetriedPath(
  contract: DeclaredContract,
  judge: (method: GovernedMethod, path: Path) => Problem | undefined,
): Problem[] {
  const known = new Map<string, Path>();
  return governedMethods(contract).flatMap((method) => {
    const path = worstPath(contract, method.fullName, known);
    const problem = method.policy.retry && path.rpcs.length > 1 ? judge(method, path) : undefined;
    return problem ? [problem] : [];
  });
}

/** The path below `rpc` on which tries multiply most, cut off behind the last RPC that is retried. Needs calls without circles. */
function worstPath(contract: DeclaredContract, rpc: string, known: Map<string, Path>): Path {
  const before = known.get(rpc);
  if (before) return before;
  const { calls = [] } = contract.methods.get(rpc)?.policy ?? {};
  const own = triesOf(contract, rpc);
  let worst: Path = { rpcs: [rpc], tries: own };
  for (const call of calls) {
    if (call.background) continue;
    const below = worstPath(contract, call.rpc, known);
    if (below.tries * own > worst.tries) worst = { rpcs: [rpc, ...below.rpcs], tries: below.tries * own };
  }
  known.set(rpc, worst);
  return worst;
}

const triesOf = (contract: DeclaredContract, rpc: string): number =>
  contract.methods.get(rpc)?.policy?.retry?.maxAttempts || 1;

/** `a.v1.AService/Do (3 tries) -> b.v1.BService/Do -> c.v1.CService/Do (2 tries)`. */
const inWords = (contract: DeclaredContract, { rpcs }: Path): string =>
  rpcs.map((rpc) => (triesOf(contract, rpc) > 1 ? `${rpc} (${triesOf(contract, rpc)} tries)` : rpc)).join(' -> ');
