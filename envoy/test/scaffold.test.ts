/** `weft new`, as far as it goes without the mesh of this repository: names, refusals, and the repository of a stranger. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { writeThirdPartyProtos } from '../../dev/src/third-party-protos.ts';
import { dispatch } from '../src/cli/dispatch.ts';
import { newCommand } from '../src/cli/new.ts';
import { withWorkload } from '../src/scaffold/compose-text.ts';
import { namesOf } from '../src/scaffold/names.ts';
import { protoText } from '../src/scaffold/proto-text.ts';
import { writeScaffold } from '../src/scaffold/write.ts';
import { compileProtos } from './support/compile.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('names', () => {
  test.each([
    ['acme.notes.v1', 'notes', 'acme.notes.v1.NoteService', 'acme/notes/v1/note_service.proto'],
    [
      'acme.shop.order_entries.v2beta1',
      'order-entries',
      'acme.shop.order_entries.v2beta1.OrderEntryService',
      'acme/shop/order_entries/v2beta1/order_entry_service.proto',
    ],
    ['acme.boxes.v1', 'boxes', 'acme.boxes.v1.BoxService', 'acme/boxes/v1/box_service.proto'],
    ['acme.status.v1', 'status', 'acme.status.v1.StatusService', 'acme/status/v1/status_service.proto'],
  ])('%s', (protoPackage, workload, serviceFullName, protoPath) => {
    expect(namesOf({ protoPackage })).toMatchObject({ workload, serviceFullName, protoPath });
  });

  test('workload and service can be chosen', () => {
    const names = namesOf({ protoPackage: 'acme.notes.v1', workload: 'memo', service: 'OrderMemoService' });
    expect(names).toMatchObject({ workload: 'memo', resource: 'OrderMemo', snake: 'order_memo', words: 'order memo' });
    expect(names.aResource).toBe('an order memo');
  });

  test.each([
    [{ protoPackage: 'notes' }, 'no name for a package'],
    [{ protoPackage: 'acme.notes' }, 'no name for a package'],
    [{ protoPackage: 'notes.v1' }, 'no name for a package'],
    [{ protoPackage: 'Acme.notes.v1' }, 'no name for a package'],
    [{ protoPackage: 'acme/notes/v1' }, 'no name for a package'],
    [{ protoPackage: '../notes.x.v1' }, 'no name for a package'],
    [{ protoPackage: 'google.notes.v1' }, 'belongs to others'],
    [{ protoPackage: 'acme.notes.v1', workload: 'Notes' }, 'no name for a workload'],
    [{ protoPackage: 'acme.notes.v1', workload: 'n'.repeat(33) }, 'no name for a workload'],
    [{ protoPackage: 'acme.edge.v1' }, '"edge" is no name for a workload'],
    [{ protoPackage: 'acme.notes.v1', service: 'Notes' }, 'no name for a service'],
    [{ protoPackage: 'acme.notes.v1', service: 'noteService' }, 'no name for a service'],
    [{ protoPackage: 'acme.maps.v1' }, 'use --service'],
  ])('%j is refused', (wish, message) => {
    expect(() => namesOf(wish)).toThrow(message);
  });
});

test.each(['acme.notes.v1', 'acme.order_entries.v1'])('the contract of %s compiles', (protoPackage) => {
  const names = namesOf({ protoPackage });
  const [table] = compileProtos({ [names.protoPath]: protoText(names) }, { policyTable: 'policy.ts' });
  for (const verb of ['Get', 'Create']) {
    expect(table?.content).toContain(`${names.serviceFullName}/${verb}${names.resource}`);
  }
});

describe('docker-compose.yml', () => {
  const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
  const names = namesOf({ protoPackage: 'acme.notes.v1' });

  test.each([false, true])('says all that it said, and the new workload (database: %s)', (database) => {
    const after = withWorkload(text, names, 'gen/envoy/compose', database) ?? '';
    const lines = after.split('\n');
    const kept = text.split('\n').filter((line) => !line.includes('WEFT_DATABASES'));
    let at = 0;
    for (const line of kept) {
      at = lines.indexOf(line, at) + 1;
      expect(at, line).toBeGreaterThan(0);
    }
    const [old, young] = [text, after].map((yaml) => parse(yaml, { merge: true }).services);
    const added = Object.keys(young).filter((name) => !(name in old));
    expect(added).toEqual(['notes-network', 'notes', ...(database ? ['notes-migrations'] : []), 'notes-envoy']);
    for (const name of Object.keys(old).filter((service) => service !== 'postgres')) {
      expect(young[name]).toEqual(old[name]);
    }
    const databases = `${old.postgres.environment.WEFT_DATABASES}${database ? ' notes' : ''}`;
    expect(young.postgres).toEqual({
      ...old.postgres,
      environment: { ...old.postgres.environment, WEFT_DATABASES: databases },
    });
    expect('DATABASE_URL' in young.notes.environment).toBe(database);
  });

  test('of somebody else is left alone', () => {
    const foreign = 'services:\n  web:\n    image: nginx\n  web-envoy:\n    image: envoy\n';
    expect(withWorkload(foreign, names, 'gen/envoy/compose', false)).toBeUndefined();
    expect(withWorkload('services: [', names, 'gen/envoy/compose', false)).toBeUndefined();
  });
});

test('README.md shows what is written here', async () => {
  const [, shown = ''] =
    /weft new acme\.notes\.v1.*\nWritten:\n([\s\S]+?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  const { out } = await weftIn(root, 'new', 'acme.notes.v1', '--dry-run');
  expect(out.startsWith(`Would write:\n${shown}`), out).toBe(true);
  expect(shown).toContain('services/notes/src/main.ts');
});

describe('in the repository of a stranger', () => {
  let parent: string;
  let folder: string;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'weft-scaffold-'));
    folder = join(parent, 'shop');
    put('package.json', '{"name": "shop", "type": "module"}');
    put('buf.yaml', 'version: v2\nmodules: [{ path: proto }]\n');
    put(
      'buf.gen.yaml',
      [
        'version: v2',
        'inputs: [{ directory: proto }]',
        'plugins:',
        '  - { local: protoc-gen-es, out: gen, opt: [target=js+dts, import_extension=js] }',
        `  - local: [node, ${join(root, 'envoy/src/plugin.ts')}]`,
        '    out: gen',
        '    strategy: all',
        '    opt: [source_root=proto, topologies=topologies, policy_table=policy.ts]',
      ].join('\n'),
    );
    const topology = readFileSync(join(root, 'envoy/topologies/local.yaml'), 'utf8');
    put('topologies/local.yaml', topology.replace(/^ *reflection: .*\n/m, ''));
    cpSync(join(root, 'proto/weft/mesh'), join(folder, 'proto/weft/mesh'), { recursive: true });
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  const put = (name: string, text: string): void => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  const tree = (): string[] => readdirSync(folder, { recursive: true }).map(String).sort();

  const weft = (...argv: string[]) => weftIn(folder, ...argv);

  test('the service is generated, starts in its own test, and answers', async () => {
    // The runtime is installed, and so is vitest; there is nothing else of ours.
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    writeThirdPartyProtos(join(folder, 'proto'));
    const { code, out } = await weft('new', 'acme.notes.v1');
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(join(folder, 'services/notes/package.json'), 'utf8')).name).toBe('@acme/notes');
    expect(out).toContain('topologies/local.yaml places every workload by the');
    expect(out).not.toContain('Dockerfile');
    const path = [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|WEFT_)/.test(name)));
    const run = (command: string, ...args: string[]) =>
      spawnSync(command, args, { cwd: folder, encoding: 'utf8', env: { ...env, PATH: path } });
    const generated = run('buf', 'generate');
    expect(generated.stderr).toBe('');
    expect(readdirSync(join(folder, 'gen/envoy/local')).sort()).toEqual(['edge.yaml', 'notes.yaml']);
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const { stdout, stderr } = run('node', vitest, 'run', '--reporter=json', '--outputFile=result.json');
    expect(readdirSync(folder), stdout + stderr).toContain('result.json');
    const result = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'));
    expect(result, stdout + stderr).toMatchObject({ success: true, numPassedTests: 4 });
  }, 60_000);

  test('says what is missing: the runtime, vitest and the rules of fields', async () => {
    const { out } = await weft('new', 'acme.notes.v1', '--dry-run');
    expect(out).toMatch(/@weft\/runtime, .*says "file:.+\/runtime"/);
    expect(out).toContain('"services/*" among the `workspaces` of package.json');
    expect(out).toContain('npm install --save-dev vitest');
    expect(out).toContain('buf/validate/validate.proto');
    expect(out).toContain('buf generate');
    expect(out).toContain('acme.notes.v1.NoteService/CreateNote');
  });

  test('says nothing of what is there', async () => {
    put('package.json', '{"workspaces": ["services/*"], "devDependencies": {"vitest": "5.1.1"}}');
    put('buf.yaml', 'version: v2\ndeps: [example.com/bufbuild/protovalidate]\n');
    const { out } = await weft('new', 'acme.notes.v1', '--dry-run');
    expect(out).not.toMatch(/workspaces|save-dev|buf\/validate/);
    expect((await weftIn(root, 'new', 'acme.notes.v1', '--dry-run')).out).not.toContain('It needs');
  });

  test('a topology with one address for all is told', async () => {
    put(
      'topologies/one.yaml',
      readFileSync(join(folder, 'topologies/local.yaml'), 'utf8').replaceAll('{workload}', 'x'),
    );
    const { out } = await weft('new', 'acme.notes.v1', '--dry-run');
    expect(out).toContain('topologies/one.yaml reaches every workload at the same address');
    expect(out).toContain('topologies/local.yaml places every workload by the');
  });

  test('a dry run names every file and writes none', async () => {
    const before = tree();
    const { code, out } = await weft('new', 'acme.notes.v1', '--dry-run');
    expect(code).toBe(0);
    expect(out).toContain('  services/notes/src/note-service.ts\n');
    expect(tree()).toEqual(before);
  });

  test.each<[string, string[], (() => void) | undefined, string]>([
    ['no package', ['new'], undefined, 'say one package'],
    ['two packages', ['new', 'acme.a.v1', 'acme.b.v1'], undefined, 'say one package'],
    ['a bad name', ['new', 'Notes'], undefined, 'no name for a package'],
    ['an option there is not', ['new', 'acme.notes.v1', '--databse'], undefined, 'did you mean --database'],
    ['no buf.gen.yaml', ['new', 'acme.notes.v1'], () => rmSync(join(folder, 'buf.gen.yaml')), 'no buf.gen.yaml'],
    ['a broken buf.gen.yaml', ['new', 'acme.notes.v1'], () => put('buf.gen.yaml', 'plugins: ['), 'no valid YAML'],
    [
      'no policy table',
      ['new', 'acme.notes.v1'],
      () =>
        put('buf.gen.yaml', readFileSync(join(folder, 'buf.gen.yaml'), 'utf8').replace(', policy_table=policy.ts', '')),
      'no policy_table',
    ],
    ['a broken package.json', ['new', 'acme.notes.v1'], () => put('package.json', '{'), 'no valid JSON'],
    [
      'a workload that a contract names',
      ['new', 'acme.notes.v1'],
      () => put('proto/acme/old/v1/old.proto', 'option (weft.mesh.v1.service) = {workload: "notes"};'),
      'the workload notes exists, in proto/acme/old/v1/old.proto',
    ],
    [
      'files that are there',
      ['new', 'acme.notes.v1'],
      () => put('services/notes/src/main.ts', 'mine'),
      'services/notes/src/main.ts exists already',
    ],
    [
      'a file in the way of a folder',
      ['new', 'acme.notes.v1'],
      () => put('services/notes/test', 'mine'),
      'services/notes/test exists already; nothing was written',
    ],
    ['a database without helpers', ['new', 'acme.notes.v1', '--database'], undefined, 'leave --database out'],
  ])('%s: refused in words, and nothing is written', async (_, argv, arrange, message) => {
    arrange?.();
    const before = tree();
    const { code, out, error } = await weft(...argv);
    expect(error).toContain(message);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(error).not.toMatch(/^\s+at /m);
    expect(tree()).toEqual(before);
  });

  test('what fails at the last step is taken back, edits too', () => {
    put('docker-compose.yml', 'before');
    const before = tree();
    const created = ['new/a.txt', 'new/deep/b.txt', 'new/a.txt'].map((name) => ({ name, content: name }));
    const edited = [{ name: 'docker-compose.yml', before: 'before', after: 'after' }];
    expect(() => writeScaffold(folder, { created, edited })).toThrow('nothing was written');
    // A folder in the place of the file that is edited: the new ones have their names already.
    const gone = [{ name: 'services', before: 'before', after: 'after' }];
    mkdirSync(join(folder, 'services'));
    expect(() => writeScaffold(folder, { created: created.slice(0, 2), edited: gone })).toThrow();
    rmSync(join(folder, 'services'), { recursive: true });
    expect(tree()).toEqual(before);
    expect(readFileSync(join(folder, 'docker-compose.yml'), 'utf8')).toBe('before');
    writeScaffold(folder, { created: created.slice(0, 2), edited });
    expect(readFileSync(join(folder, 'docker-compose.yml'), 'utf8')).toBe('after');
    expect(readFileSync(join(folder, 'new/deep/b.txt'), 'utf8')).toBe('new/deep/b.txt');
    expect(tree().filter((name) => name.endsWith('.new'))).toEqual([]);
  });
});

/** Runs `weft` in a folder. */
async function weftIn(folder: string, ...argv: string[]): Promise<{ code: number; out: string; error: string }> {
  const said = { out: '', error: '' };
  const code = await dispatch([newCommand], argv, {
    folder,
    colours: false,
    out(text) {
      said.out += text;
    },
    error(text) {
      said.error += text;
    },
    input: async () => '',
  });
  return { code, ...said };
}
