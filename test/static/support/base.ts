/** What this state of the contracts is compared with. */
import { run } from './run.ts';

/**
 * The commit that this one is to be compatible with: where it left main, as the origin has it, else the local one; on main itself the
 * commit before it. Undefined where no such commit is at hand (a shallow clone), or has no contract yet.
 */
export function baseOfThisBranch(): string | undefined {
  const head = commitOf('HEAD');
  const main = commitOf('origin/main') ?? commitOf('main');
  const left = main && head ? run('git', ['merge-base', main, head]).said : head;
  const base = left === head ? (commitOf('HEAD~1') ?? head) : left;
  if (!base) return undefined;
  const protos = run('git', ['ls-tree', '-r', '--name-only', base, '--', 'proto']).said;
  return protos.includes('.proto') ? base : undefined;
}

function commitOf(name: string): string | undefined {
  const { status, said } = run('git', ['rev-parse', '--verify', '--quiet', `${name}^{commit}`]);
  return status === 0 ? said : undefined;
}
