/** Runs a tool of the repository and gives back what it said. */
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { root } from './sources.ts';

export interface Outcome {
  readonly status: number | null;
  /** Standard output and standard error, in this order. */
  readonly said: string;
}

/** Runs `command` with the repository's own tools first on the path, in the root or in `folder`. */
export function run(command: string, args: readonly string[], folder: string = root): Outcome {
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const options = { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...options,
    env: { ...process.env, PATH: path },
  });
  if (error) throw error;
  return { status, said: `${stdout}${stderr}`.trim() };
}

/** What a tool says when it has nothing to complain about. */
export const content: Outcome = { status: 0, said: '' };
