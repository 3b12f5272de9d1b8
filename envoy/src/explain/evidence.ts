/** What a line of an access log is judged by, and what a judgement is. */
import type { Mesh } from '../bootstrap/mesh.ts';
import type { Method } from '../contract/contract.ts';
import type { DeclaredContract } from '../contract/declared.ts';
import type { OptionPath, Position } from '../contract/position.ts';
import type { AccessLine } from './access-line.ts';
import type { Bootstraps } from './bootstraps.ts';
import type { Fragment } from './fragments.ts';

/** What a line means. */
export interface Verdict {
  /** Whether anything was refused; a failure that nobody decided, such as a service that is down, counts too. */
  readonly denied: boolean;
  /** One or two words: `allow-list`, `rate limit`. */
  readonly rule: string;
  readonly why: string;
  readonly mend: string;
  /** Where the contract or the topology says it. */
  readonly sources: readonly Position[];
  readonly fragments: readonly Fragment[];
}

/** What a verdict is made from. */
export interface Evidence {
  readonly line: AccessLine;
  readonly mesh: Mesh;
  readonly declared: DeclaredContract;
  readonly bootstraps: Bootstraps;
  /** The RPC of the line, when the contract has it. */
  readonly method: Method | undefined;
  /** Whose Envoy wrote the line, when that is known. */
  readonly workload: string | undefined;
}

/** A row of the table. */
export interface DenialRule {
  readonly rule: string;
  fits(line: AccessLine): boolean;
  /** All but the rule's name; `denied` is true unless it says otherwise. */
  judge(evidence: Evidence): Partial<Verdict> & Pick<Verdict, 'why' | 'mend'>;
}

/** Where an option of the RPC stands, if there is an RPC. */
export function placeOf({ declared, method }: Evidence, path: OptionPath): Position[] {
  const found = method && declared.methods.get(method.fullName);
  return found ? [found.locate(path)] : [];
}

/** The fragment that `find` looks up, or none: a line may come from an Envoy that runs something else. */
export function fragmentsOf(...finds: (() => Fragment | undefined)[]): Fragment[] {
  return finds.flatMap((find) => {
    try {
      return find() ?? [];
    } catch {
      return [];
    }
  });
}
