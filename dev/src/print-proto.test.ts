// The printed text has to compile to the very descriptor it was printed from, or what we validate against is not what
// the package's authors wrote.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { file_weft_mesh_v1_options } from '@weft/gen/weft/mesh/v1/options_pb.js';
import { expect, test } from 'vitest';
import { printProto } from './print-proto.ts';

/** What buf makes of `text`, as a file of the given name. */
function compile(name: string, text: string): JsonValue {
  const folder = mkdtempSync(join(tmpdir(), 'weft-print-'));
  try {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
    const image = join(folder, 'image.binpb');
    const args = ['build', folder, '--as-file-descriptor-set', '--exclude-source-info', '--output', image];
    const { status, stderr } = spawnSync('buf', args, { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const file = fromBinary(FileDescriptorSetSchema, readFileSync(image)).file.find((f) => f.name === name);
    if (!file) throw new Error(`buf did not compile ${name}`);
    // Options that are extensions are compared as bytes: toJson would leave them out.
    return [toJson(FileDescriptorProtoSchema, file), bytesOfOptions(file)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function bytesOfOptions(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  if (value instanceof Uint8Array) return [Buffer.from(value).toString('hex')];
  return Object.values(value).flatMap(bytesOfOptions);
}

test.each([file_buf_validate_validate, file_weft_mesh_v1_options])(
  '$name compiles to what it was printed from',
  (file) => {
    const expected = [toJson(FileDescriptorProtoSchema, file.proto), bytesOfOptions(file.proto)];
    expect(compile(file.proto.name, printProto(file))).toEqual(expected);
  },
);

test('a service is refused rather than left out', () => {
  const withService = { ...file_weft_mesh_v1_options, proto: { ...file_weft_mesh_v1_options.proto } };
  withService.proto.service = [{ $typeName: 'google.protobuf.ServiceDescriptorProto', name: 'S', method: [] }];
  expect(() => printProto(withService)).toThrow('services cannot be printed');
});
