/** The compiler as buf runs it: what it is given wrongly is told in one message, and nothing is written until all is good. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { testFolder } from './support/compile.ts';

const plugin = fileURLToPath(new URL('../src/plugin.ts', import.meta.url));
const options = fileURLToPath(new URL('../../proto/weft/mesh/v1/options.proto', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-plugin-'));
  cpSync(options, join(folder, 'proto/weft/mesh/v1/options.proto'), { recursive: true });
  cpSync(join(testFolder, 'topologies'), join(folder, 'topologies'), { recursive: true });
  edit('topologies/test.yaml', (text) => text.replace('reflection: shelf', 'reflection: cup'));
  write('proto/tea/v1/tea.proto', service('Tea', 'tea', 'calls: {rpc: "cup.v1.CupService/Do"}'));
  write('proto/cup/v1/cup.proto', service('Cup', 'cup', ''));
  configure();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
};
const edit = (path: string, change: (text: string) => string): void =>
  write(path, change(readFileSync(join(folder, path), 'utf8')));

const service = (name: string, workload: string, calls: string, syntax = 'syntax = "proto3"'): string =>
  `${syntax}; package ${workload}.v1; import "weft/mesh/v1/options.proto";
service ${name}Service {
  option (weft.mesh.v1.service) = {workload: "${workload}"};
  rpc Do(Request) returns (Request) {
    option (weft.mesh.v1.method) = {deadline: {seconds: 1} exposure: EXPOSURE_INTERNAL ${calls}};
  }
}
message Request {}
`;

function configure(opt = 'source_root=proto,topologies=topologies,policy_table=policy.ts', strategy = 'all'): void {
  const entry = { local: [process.execPath, plugin], out: 'gen', strategy, opt: opt.split(',') };
  write('buf.gen.yaml', JSON.stringify({ version: 'v2', inputs: [{ directory: 'proto' }], plugins: [entry] }));
}

const generate = () => spawnSync('buf', ['generate'], { cwd: folder, encoding: 'utf8' });
const written = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(join(folder, 'gen'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [entry.name, readFileSync(join(entry.parentPath, entry.name), 'utf8')]),
  );

test('everything is written when all is good, and nothing is touched when one thing is not', () => {
  expect(generate().stderr).toBe('');
  const before = written();
  expect(Object.keys(before).sort()).toEqual(['cup.yaml', 'edge.yaml', 'policy.ts', 'tea.yaml']);

  edit('proto/tea/v1/tea.proto', (text) => text.replace('seconds: 1', 'seconds: 2'));
  edit('proto/cup/v1/cup.proto', (text) => text.replace('EXPOSURE_INTERNAL', 'EXPOSURE_PUBLIC'));
  const broken = generate();
  expect(broken.status).not.toBe(0);
  expect(broken.stderr).toContain('proto/cup/v1/cup.proto:5: cup.v1.CupService/Do is PUBLIC and has no rate limit');
  expect(written()).toEqual(before);
});

test('a repeated run writes the same bytes', () => {
  generate();
  const first = written();
  generate();
  expect(written()).toEqual(first);
});

describe('one clear message', () => {
  test.each<[string, () => void, string]>([
    ['an option that there is not', () => configure('topology=x'), '"topology=x" is no option; there are source_root'],
    ['an option without a value', () => configure('topologies='), '"topologies=" is no option'],
    ['an option twice', () => configure('policy_table=a.ts,policy_table=b.ts'), 'option policy_table is set twice'],
    ['an option of every object', () => configure('constructor=x'), '"constructor=x" is no option'],
    ['an option that is but a slash', () => configure('reference=/'), '"reference=/" is no option'],
    [
      'two outputs at one path',
      () => configure('policy_table=a.ts,exposed_services=a.ts'),
      'two outputs would be written to a.ts. Give each option another path',
    ],
    ['no folder of topologies', () => configure('topologies=nowhere'), 'nowhere does not exist. Topologies are read'],
    ['an empty folder of topologies', () => configure('topologies=proto'), 'proto holds no topology'],
    [
      'a topology with another ending',
      () => write('topologies/a.yml', ''),
      'topologies/a.yml is no name for a topology',
    ],
    [
      'a topology that is a folder',
      () => mkdirSync(join(folder, 'topologies/x.yaml')),
      'x.yaml cannot be read (EISDIR)',
    ],
    ['an empty topology', () => write('topologies/empty.yaml', ''), 'topologies/empty.yaml:1: empty is not a mapping'],
    [
      'a topology that is no YAML',
      () => edit('topologies/test.yaml', (text) => text.replace('tracing:', 'tracing: [')),
      'Write valid YAML. [topology]',
    ],
    [
      'options.proto that is newer than the compiler',
      () => {
        edit('proto/weft/mesh/v1/options.proto', (text) =>
          text.replace('uint32 burst = 2;', 'uint32 burst = 2; uint32 wishes = 3;'),
        );
      },
      'options.proto has RateLimit.wishes, which this compiler does not know',
    ],
    [
      'protos without any policy',
      () => {
        for (const path of ['tea', 'cup', 'weft']) rmSync(join(folder, 'proto', path), { recursive: true });
        write('proto/bare/v1/bare.proto', 'syntax = "proto3"; package bare.v1; message M {}');
      },
      'No file imports weft/mesh/v1/options.proto',
    ],
    [
      'a plugin that is run folder by folder',
      () => configure('topologies=topologies', 'directory'),
      'In buf.gen.yaml the plugin needs `strategy: all`.',
    ],
  ])('%s', (_, spoil, says) => {
    spoil();
    const { status, stderr } = generate();
    expect(stderr).toContain(says);
    expect(status).not.toBe(0);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(readdirSync(folder)).not.toContain('gen');
  });
});

test('protos of an edition compile as those of proto3 do', () => {
  generate();
  const before = written();
  write('proto/cup/v1/cup.proto', service('Cup', 'cup', '', 'edition = "2023"'));
  expect(generate().stderr).toBe('');
  expect(written()).toEqual(before);
});

describe('another compiler of protos', () => {
  /** What the plugin answers to the same files with `change` made to each. */
  function answerTo(change: (file: FileDescriptorProto) => void) {
    const image = join(folder, 'image.binpb');
    spawnSync('buf', ['build', 'proto', '--as-file-descriptor-set', '--output', image], { cwd: folder });
    const { file } = fromBinary(FileDescriptorSetSchema, readFileSync(image));
    for (const proto of file) change(proto);
    const request = create(CodeGeneratorRequestSchema, {
      protoFile: file,
      fileToGenerate: ['cup/v1/cup.proto', 'tea/v1/tea.proto'],
      parameter: 'source_root=proto,policy_table=policy.ts',
    });
    const input = toBinary(CodeGeneratorRequestSchema, request);
    const { stdout } = spawnSync(process.execPath, [plugin], { input });
    return fromBinary(CodeGeneratorResponseSchema, stdout);
  }

  test('protoc knows where an option stands, not what stands in it', () => {
    edit('proto/tea/v1/tea.proto', (text) => text.replace('cup.v1.CupService/Do', 'cup.v1.CupService/No'));
    const answer = answerTo(({ sourceCodeInfo }) => {
      if (!sourceCodeInfo) return;
      // The path of a method's option: service, index, method, index, options, the option's number.
      sourceCodeInfo.location = sourceCodeInfo.location.filter(({ path }) => path.length <= 6);
    });
    expect(answer.error).toContain('proto/tea/v1/tea.proto:5: tea.v1.TeaService/Do calls cup.v1.CupService/No');
  });

  test('without any source info the same is generated, with the files alone as positions', () => {
    const { file, error } = answerTo((proto) => {
      delete proto.sourceCodeInfo;
    });
    expect(error).toBe('');
    expect(file[0]?.content).toContain('// proto/tea/v1/tea.proto:1\n');
  });
});
