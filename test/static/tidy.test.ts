/** Style as failing tests: what a linter does not know, with what to do instead. */
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsOf, type Source, scripts, servesTests, sources } from './support/sources.ts';

/** A line longer than this file's limit wants a reason, and there has been none yet. */
const mostLines = 500;

const all = scripts();
const written = all.filter(({ path }) => !path.endsWith('.d.ts'));
const shipped = written.filter((source) => !servesTests(source));
const texts = sources(
  '.ts',
  '.tsx',
  '.mts',
  '.mjs',
  '.js',
  '.md',
  '.yaml',
  '.yml',
  '.json',
  '.proto',
  '.sh',
  '.css',
  '.html',
);

/** `path:line` of each line that matches. */
const linesWith = (files: readonly Source[], pattern: RegExp): string[] =>
  files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );

test('there are files to look at', () => {
  expect(shipped.length).toBeGreaterThan(50);
  expect(linesWith(shipped, /^import /).length).toBeGreaterThan(50);
});

test(`no file is longer than ${mostLines} lines: split it by what it is about`, () => {
  const long = written.filter(({ text }) => text.split('\n').length > mostLines);
  expect(long.map(({ path }) => path)).toEqual([]);
});

test('every file opens with a comment that says what it is for', () => {
  const bare = shipped.filter(({ text }) => !/^(#!.*\n)?\s*(\/\*\*?|\/\/)/.test(text));
  expect(bare.map(({ path }) => path)).toEqual([]);
});

test('file names are lower case with hyphens', () => {
  const odd = written.filter(({ path }) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)+$/.test(basename(path)));
  // React components are named after what they export.
  expect(odd.map(({ path }) => path).filter((path) => !path.endsWith('.tsx'))).toEqual([]);
});

/** What is banned, and what to do instead. */
const banned: readonly [what: string, pattern: RegExp, files: readonly Source[]][] = [
  ['notes to oneself: do it, or open an issue', /\b(TODO|FIXME|HACK)\b/, texts],
  [
    'default exports: name what you export',
    /^export default /,
    shipped.filter(({ path }) => !/\bconfig\.ts$/.test(path)),
  ],
  ['enums, which type stripping refuses: use a const object', /^\s*(export )?(const )?enum /, written],
  ['namespaces, which type stripping refuses: use a module', /^\s*(export )?(declare )?namespace /, written],
  ['silenced types: mend them', /@ts-(ignore|nocheck)/, written],
  ['tests that leave the others out', /\b(test|it|describe)\.only\(/, all],
  [
    'console.log in services and libraries: use the log',
    /\bconsole\.log\(/,
    shipped.filter(({ path }) => /^(services|runtime|values|envoy)\//.test(path)),
  ],
  ['other time libraries: use Temporal', /from '(moment|dayjs|date-fns|luxon)/, written],
  ['require: import it', /(?<![\w.])require\(/, shipped],
  ['floats of money: use integers', /\bparseFloat\(/, shipped.filter(({ path }) => /^(services|values)\//.test(path))],
];
const itself = 'test/static/tidy.test.ts';

describe('banned', () => {
  test.each(banned)('%s', (_, pattern, files) => {
    expect(
      linesWith(
        files.filter(({ path }) => path !== itself),
        pattern,
      ),
    ).toEqual([]);
  });
});

test('no host name of a package registry stands anywhere', () => {
  const hosts = ['registry.npm' + 'js.org', 'py' + 'pi.org', 'proxy.golang' + '.org', 'buf.build' + '/gen/npm'];
  const everywhere = [...texts, ...sources('Dockerfile', '.npmrc', 'package-lock.json')];
  for (const host of hosts)
    expect(everywhere.filter(({ text }) => text.includes(host)).map(({ path }) => path)).toEqual([]);
});

test('no dead files: each source is imported, tested, or named where it is started', () => {
  const stems = new Set(written.flatMap((source) => importsOf(source).map(stemOf)));
  const mentions = [...texts, ...sources('Dockerfile', '.mjs'), ...written].map(({ path, text }) => ({ path, text }));
  const dead = shipped.filter(({ path }) => {
    if (/\bconfig\.ts$|\.d\.ts$/.test(path) || stems.has(stemOf(path))) return false;
    return !mentions.some((other) => other.path !== path && other.text.includes(basename(path)));
  });
  expect(dead.map(({ path }) => path)).toEqual([]);
});

const stemOf = (path: string): string => basename(path).replace(/\.[mc]?[jt]sx?$/, '');
