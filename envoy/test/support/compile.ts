/** Compiles protos of a foreign repository: buf makes descriptors of them, the compiler under test does the rest. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFileRegistry, type DescFile, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { writeThirdPartyProtos } from '../../../dev/src/third-party-protos.ts';
import { compile, type Input } from '../../src/compile.ts';
import type { OutputFile } from '../../src/output.ts';

export const testFolder = fileURLToPath(new URL('..', import.meta.url));
const options = fileURLToPath(new URL('../../../proto/weft/mesh', import.meta.url));

/** Proto files: a folder, or texts by path. */
export type Protos = string | Readonly<Record<string, string>>;

/** Descriptors of `protos`, with the policy options and protovalidate beside them. Throws with buf's words when they do not compile. */
export function describeProtos(protos: Protos): { registry: FileRegistry; files: DescFile[] } {
  const folder = mkdtempSync(join(tmpdir(), 'weft-protos-'));
  try {
    cpSync(options, join(folder, 'weft/mesh'), { recursive: true });
    writeThirdPartyProtos(folder);
    if (typeof protos === 'string') cpSync(protos, folder, { recursive: true });
    else for (const [path, text] of Object.entries(protos)) writeInto(folder, path, text);
    const image = join(folder, 'image.binpb');
    const args = ['build', folder, '--as-file-descriptor-set', '--output', image];
    const buf = spawnSync('buf', args, { encoding: 'utf8' });
    if (buf.status !== 0) throw new Error(`buf build: ${buf.error?.message ?? buf.stderr}`);
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(image)));
    const foreign = [...registry.files].filter(({ proto }) => !/^(weft|buf|google)\./.test(proto.package));
    return { registry, files: foreign };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the compiler on `protos`. */
export function compileProtos(protos: Protos, more: Partial<Input> = {}): OutputFile[] {
  return compile({ ...describeProtos(protos), sourceRoot: 'protos', topologies: [], ...more });
}

function writeInto(folder: string, path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}
