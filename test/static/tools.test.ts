/** The type checker, the linter and the formatter have nothing to say. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { content, run } from './support/run.ts';
import { root } from './support/sources.ts';

const projects = ['tsconfig.json', 'web/tsconfig.json'].filter((path) => existsSync(join(root, path)));

test.each(projects)(
  'tsc: %s',
  (project) => {
    expect(run('tsc', ['--noEmit', '--project', project])).toEqual(content);
  },
  120_000,
);

test('biome', () => {
  const { status, said } = run('biome', ['ci', '--error-on-warnings', '--colors=off']);
  expect({ status, said: status === 0 ? '' : said }).toEqual(content);
}, 60_000);
