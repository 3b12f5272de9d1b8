/** Which rule refused a call, from the line that an Envoy wrote of it: tables of what refusals look like, first fit first. */
import { edgeName } from '../blocks/names.ts';
import type { Mesh } from '../bootstrap/mesh.ts';
import { callersOf, type Method } from '../contract/contract.ts';
import type { AccessLine } from './access-line.ts';
import { connectionRules } from './connection-rules.ts';
import type { Evidence, Verdict } from './evidence.ts';
import { requestRules } from './request-rules.ts';

/** Judges one line. `workload` says whose Envoy wrote it, where the line itself does not tell. */
export function whyDenied(
  line: AccessLine,
  source: Pick<Evidence, 'mesh' | 'declared' | 'bootstraps'>,
  workload: string | undefined,
): Verdict {
  const rules = line.event === 'connection' ? connectionRules : requestRules;
  const rule = rules.find((candidate) => candidate.fits(line));
  if (!rule) throw new Error('the last rule of each table fits everything');
  const method = source.mesh.contract.methods.get(line.route ?? '');
  const evidence = { ...source, line, method, workload: workload ?? writerOf(line, source.mesh, method) };
  const judged = rule.judge(evidence);
  return { denied: true, sources: [], fragments: [], rule: rule.rule, ...judged };
}

/** The edge's listener has its name; an inbound one is the callee's; an outbound one is the only caller's, if there is one. */
function writerOf({ listener }: AccessLine, { contract }: Mesh, method: Method | undefined): string | undefined {
  if (listener === edgeName) return edgeName;
  if (!method) return undefined;
  if (listener === 'inbound') return method.workload;
  const callers = callersOf(contract, method);
  return callers.length === 1 ? callers[0] : undefined;
}
