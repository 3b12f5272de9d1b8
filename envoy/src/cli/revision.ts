/** The contract as it stands in a commit of git: its files, taken out into a folder that is removed again. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { UsageError } from './command.ts';

/**
 * Calls `work` with a folder that holds the files below `paths` as the commit has them. What no commit holds, such as modules of
 * third parties that are made at install time, is taken from the working tree. Throws a UsageError when there is no such commit.
 *
 * @param folder where the contract is, at or below the top of a repository.
 */
export function atRevision<T>(
  folder: string,
  revision: string,
  paths: readonly string[],
  work: (folder: string) => T,
): T {
  const prefix = git(folder, ['rev-parse', '--show-prefix'], `${folder} is in no git repository`).trim();
  const top = git(folder, ['rev-parse', '--show-toplevel'], `${folder} is in no git repository`).trim();
  const missing = `there is no commit "${revision}"; in a shallow clone, fetch it first`;
  const commit = git(folder, ['rev-parse', '--verify', '--quiet', `${revision}^{commit}`], missing).trim();
  const scratch = mkdtempSync(join(tmpdir(), 'weft-revision-'));
  try {
    // An index of its own, so that the user's is not touched.
    const env = { GIT_INDEX_FILE: join(scratch, 'index') };
    git(top, ['read-tree', commit], `commit ${commit} cannot be read`, { env });
    const wanted = ['buf.yaml', 'buf.work.yaml', ...paths].map((path) => join(prefix, path));
    const listed = git(top, ['ls-files', '-z', '--', ...wanted], 'its files cannot be listed', { env });
    const tree = join(scratch, 'tree', '/');
    const into = ['checkout-index', '-z', '--stdin', `--prefix=${tree}`];
    git(top, into, 'its files cannot be written', { env, input: listed });
    const there = join(tree, prefix);
    for (const path of untracked(there)) {
      if (existsSync(join(folder, path))) cpSync(join(folder, path), join(there, path), { recursive: true });
    }
    return work(there);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Modules that buf.yaml names and that are not there. */
function untracked(folder: string): string[] {
  const path = join(folder, 'buf.yaml');
  if (!existsSync(path)) return [];
  const { modules = [] } = (parse(readFileSync(path, 'utf8')) ?? {}) as { modules?: readonly { path?: string }[] };
  return modules.map((module) => module.path ?? '.').filter((module) => !existsSync(join(folder, module)));
}

function git(
  cwd: string,
  args: readonly string[],
  failure: string,
  { env = {}, input = '' }: { env?: Record<string, string>; input?: string } = {},
): string {
  const { status, stdout, error } = spawnSync('git', args, {
    cwd,
    input,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (error) throw new UsageError(`git cannot be run: ${error.message}`);
  if (status !== 0) throw new UsageError(failure);
  return stdout;
}
