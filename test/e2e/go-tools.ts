/**
 * Programs that only Go brings: from PATH, else built at a pinned version into `.weft/bin`, else missing.
 */

import { execFile } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

export const run = promisify(execFile);

/** The root of the repository. */
export const root = join(import.meta.dirname, '..', '..');
export const binFolder = join(root, '.weft', 'bin');

/** Where the tools come from, by name; before it what `go install` is told besides. */
const TOOLS = {
  grpcurl: 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3',
  'protoc-gen-go': 'google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11',
  'protoc-gen-connect-go': 'connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.19.1',
  // Without the service discovery of every cloud it is built in a third of the time.
  promtool: '-tags=remove_all_sd github.com/prometheus/prometheus/cmd/promtool@v0.316.0',
} as const;

/** The path of a program, or undefined where there is neither it nor Go to build it. */
export async function goTool(name: keyof typeof TOOLS): Promise<string | undefined> {
  for (const folder of [binFolder, ...(process.env.PATH ?? '').split(delimiter)]) {
    const path = join(folder, name);
    if (await exists(path)) return path;
  }
  if (!(await hasGo())) return undefined;
  await mkdir(binFolder, { recursive: true });
  await run('go', ['install', ...TOOLS[name].split(' ')], {
    env: { ...process.env, GOBIN: binFolder, GOFLAGS: '-mod=mod' },
  });
  return join(binFolder, name);
}

/** Whether there is a Go toolchain. */
export async function hasGo(): Promise<boolean> {
  return await run('go', ['version']).then(
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
