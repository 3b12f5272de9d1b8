/**
 * The programs that judge this runtime and that only Go brings: from PATH where they are installed, else built at a pinned
 * version into `.weft/bin`, else missing.
 */

import { execFile } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

export const execute = promisify(execFile);

/** The root of the repository. */
export const root = join(import.meta.dirname, '..', '..');
const binFolder = join(root, '.weft', 'bin');

/** The suite, of which the runner and its protos must be of one version. */
export const SUITE = { module: 'connectrpc.com/conformance', version: 'v1.0.7' } as const;
const GRPC_GO = 'v1.84.0';

/** Programs by the names they go by here. Those whose own name says too little are built into a folder of theirs. */
const PROGRAMS = {
  connectconformance: { from: `${SUITE.module}/cmd/connectconformance@${SUITE.version}` },
  'grpc-interop/client': { from: `google.golang.org/grpc/interop/client@${GRPC_GO}` },
  'grpc-interop/server': { from: `google.golang.org/grpc/interop/server@${GRPC_GO}` },
  h2spec: { from: 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible' },
  'grpc-health-probe': { from: 'github.com/grpc-ecosystem/grpc-health-probe@v0.4.40' },
} as const;

export type GoProgram = keyof typeof PROGRAMS;

/** What a test says that is skipped for want of Go. */
export const NO_GO = 'there is no Go to build what it runs';

/** The path of a program, or undefined where there is neither it nor Go to build it. */
export async function goProgram(name: GoProgram): Promise<string | undefined> {
  // A name of two parts is ours alone, and nothing of that name on PATH is what is meant.
  const folders = name.includes('/') ? [binFolder] : [binFolder, ...(process.env.PATH ?? '').split(delimiter)];
  for (const folder of folders) {
    const path = join(folder, name);
    if (await exists(path)) return path;
  }
  if (!(await hasGo())) return undefined;
  const path = join(binFolder, name);
  const folder = join(path, '..');
  await mkdir(folder, { recursive: true });
  await execute('go', ['install', PROGRAMS[name].from], {
    env: { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod' },
  });
  return path;
}

/** Whether there is a Go toolchain. */
export async function hasGo(): Promise<boolean> {
  return await execute('go', ['version']).then(
    () => true,
    () => false,
  );
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
