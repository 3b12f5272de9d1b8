/** The contracts are well-formed, formatted, and break nobody who was generated from main. All offline. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeThirdPartyProtos } from '../../dev/src/third-party-protos.ts';
import { baseOfThisBranch } from './support/base.ts';
import { content, run } from './support/run.ts';
import { root } from './support/sources.ts';

let scratch: string;
beforeAll(() => {
  writeThirdPartyProtos(join(root, '.weft/proto'));
  scratch = mkdtempSync(join(tmpdir(), 'weft-protos-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test('buf lint', () => {
  expect(run('buf', ['lint'])).toEqual(content);
});

test.each(['proto', 'envoy/test/protos'])('buf format: %s', (folder) => {
  expect(run('buf', ['format', folder, '--diff', '--exit-code'])).toEqual(content);
});

describe('buf breaking', () => {
  test('nothing on main is broken', () => {
    const base = baseOfThisBranch();
    if (base === undefined) return; // Before the first contract there is nobody to break.
    expect(run('buf', ['breaking', 'proto', '--against', imageOf(base, 'base')])).toEqual(content);
  });

  test('a field that changes its number would be noticed', () => {
    const altered = workspaceAt('altered');
    const path = join(altered, 'proto/weft/mesh/v1/options.proto');
    writeFileSync(path, readFileSync(path, 'utf8').replace('uint32 burst = 2;', 'uint32 burst = 3;'));
    const unaltered = workspaceAt('unaltered');
    const { status, said } = run('buf', ['breaking', 'proto', '--against', build(unaltered)], altered);
    expect(status).not.toBe(0);
    expect(said).toContain('burst');
  });
});

/** An image of the protos of a commit, with today's third-party protos: those are in no commit. */
function imageOf(commit: string, name: string): string {
  const folder = workspaceAt(name);
  rmSync(join(folder, 'proto'), { recursive: true });
  const archive = join(folder, 'proto.tar');
  expect(run('git', ['archive', '--output', archive, commit, 'proto']).status).toBe(0);
  expect(run('tar', ['-xf', archive, '-C', folder]).status).toBe(0);
  return build(folder);
}

/** A copy of what buf reads. */
function workspaceAt(name: string): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  for (const part of ['buf.yaml', 'proto', '.weft/proto'])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  return folder;
}

function build(folder: string): string {
  const image = join(folder, 'image.binpb');
  expect(run('buf', ['build', 'proto', '--output', image], folder)).toEqual(content);
  return image;
}
