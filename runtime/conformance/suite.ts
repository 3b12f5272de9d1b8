/**
 * What the suite needs before it can run: its runner, and its messages as TypeScript. The messages are generated from the protos
 * of the Go module at the version of the runner, into an ignored folder, from which `messages.ts` loads them.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { execute, goProgram, hasGo, root, SUITE } from './go-programs.ts';

const folder = join(import.meta.dirname, '.weft');
const generated = join(folder, 'gen');
const stamp = join(folder, 'version');

/** Makes the suite ready. @returns the path of its runner, or undefined where there is no Go to build it. */
export async function prepareSuite(): Promise<string | undefined> {
  const runner = await goProgram('connectconformance');
  if (runner === undefined) return undefined;
  const has = await readFile(stamp, 'utf8').catch(() => undefined);
  if (has !== SUITE.version) {
    // Whoever has the runner from elsewhere may still have no Go to fetch its protos.
    if (!(await hasGo())) return undefined;
    await generate();
    await writeFile(stamp, SUITE.version);
  }
  return runner;
}

async function generate(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { stdout } = await execute('go', ['mod', 'download', '-json', `${SUITE.module}@${SUITE.version}`]);
  const { Dir }: { Dir: string } = JSON.parse(stdout);
  const template = {
    version: 'v2',
    // The ts target writes enums, which type stripping refuses.
    plugins: [{ local: 'protoc-gen-es', out: generated, opt: ['target=js+dts', 'import_extension=js'] }],
  };
  const PATH = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`;
  // Not in the root: there buf.yaml would be taken for the suite's own.
  await execute('buf', ['generate', join(Dir, 'proto'), '--template', JSON.stringify(template)], {
    cwd: folder,
    env: { ...process.env, PATH },
  });
}
