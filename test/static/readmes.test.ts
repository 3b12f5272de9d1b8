/** The READMEs of the packages: what they show is run as it stands there, in a folder beside this checkout. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseOptions } from '../../envoy/src/plugin-options.ts';
import { root } from './support/sources.ts';

let parent: string;
/** The reader's own repository. */
let acme: string;
beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), 'weft-readmes-'));
  acme = join(parent, 'acme');
  mkdirSync(acme);
  symlinkSync(root, join(parent, 'weft'));
  symlinkSync(join(root, 'node_modules'), join(acme, 'node_modules'));
  writeFileSync(join(acme, 'package.json'), '{"type": "module"}');
});
afterAll(() => rmSync(parent, { recursive: true, force: true }));

const readme = (name: string): string => readFileSync(join(root, name, 'README.md'), 'utf8');

/** The first block of a language, or the one that is called so: the file it says it is, and its text. */
function block(markdown: string, language: string, called?: string): { file: string; text: string } {
  const blocks = [...markdown.matchAll(/^```(\w+) ?(.*)\n([\s\S]+?)^```/gm)];
  const isMeant = ([, its, name]: RegExpExecArray) => its === language && (called === undefined || name === called);
  const [, , file = '', text = ''] = blocks.find(isMeant) ?? [];
  expect(text, `a block of ${language} ${called ?? ''}`).not.toBe('');
  return { file, text };
}

function write({ file, text }: { file: string; text: string }): void {
  mkdirSync(dirname(join(acme, file)), { recursive: true });
  writeFileSync(join(acme, file), text);
}

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: acme, encoding: 'utf8' });
  expect(status, `${command}: ${error?.message ?? stderr}`).toBe(0);
  return stdout;
}

test('values: the example prints what it says', () => {
  write(block(readme('values'), 'ts'));
  expect(run(process.execPath, 'main.ts')).toBe(block(readme('values'), 'text').text);
});

test('envoy, then runtime: a contract of one’s own is compiled, served and called', () => {
  cpSync(join(root, 'proto/weft/mesh'), join(acme, 'proto/weft/mesh'), { recursive: true });
  const topology = readFileSync(join(root, 'envoy/topologies/local.yaml'), 'utf8');
  write({ file: 'topologies/local.yaml', text: topology.replace(/reflection: .*/, 'reflection: greeter') });
  write(block(readme('envoy'), 'proto'));
  write(block(readme('envoy'), 'yaml'));
  run('buf', 'generate');
  expect(readdirSync(join(acme, 'gen/envoy/local')).sort()).toEqual(['edge.yaml', 'greeter.yaml']);

  for (const name of ['main', 'mesh']) {
    write(block(readme('runtime'), 'ts', `${name}.ts`));
    expect(run(process.execPath, `${name}.ts`)).toBe(block(readme('runtime'), 'text', `${name}.txt`).text);
  }
});

test('envoy: its README names every option of the plugin', () => {
  const [, names = ''] = /there are ([^:]+), each/.exec(errorOf(() => parseOptions('?'))) ?? [];
  const named = [...readme('envoy').matchAll(/^\| `([a-z_]+)` /gm)].map(([, name]) => name);
  expect(named).toEqual(names.split(', '));
});

test('envoy: its README names every rule', () => {
  const folders = ['checks', 'contract', 'topology'].map((folder) => join(root, 'envoy/src', folder));
  const sources = folders.flatMap((folder) =>
    readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')),
  );
  const rules = sources.flatMap((text) =>
    [...text.matchAll(/rule: '([a-z-]+)'|'([a-z-]+)',\s+(?:message,|`)/g)].map(([, one, other]) => one ?? other),
  );
  const [, table = ''] = /^## What it refuses$([\s\S]+?)^## /m.exec(readme('envoy')) ?? [];
  const named = [...table.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);
  expect(named.toSorted()).toEqual([...new Set(rules)].toSorted());
});

function errorOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return '';
}
