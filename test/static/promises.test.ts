/**
 * No promise of the contracts is broken or loosened in passing. A change that is meant is named, with its reason, in the message of
 * one of the commits that make it:
 *
 *     Promise-changed: deadline-lowered weft.pricing.v1.QuoteService/CreateQuote: callers wait 2 s at most
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Change, dangerOf } from '../../envoy/src/diff/change.ts';
import { baseOfThisBranch } from './support/base.ts';
import { run } from './support/run.ts';
import { root } from './support/sources.ts';

/** Changes that messages of commits name: `<kind> <subject>`. */
const accepted = (messages: string): Set<string> =>
  new Set([...messages.matchAll(/^\s*Promise-changed: (\S+ \S+): \S/gm)].map(([, change]) => change ?? ''));

test('what changed in promises since main is neutral, or meant', ({ skip }) => {
  const base = baseOfThisBranch();
  if (base === undefined) return skip('no earlier commit is at hand');
  const { status, said } = run(process.execPath, [join(root, 'envoy/src/cli/main.ts'), 'diff', base, '--json']);
  expect(status, said).not.toBe(2);
  const changes: Change[] = JSON.parse(said);
  const meant = accepted(run('git', ['log', '--format=%B', `${base}..HEAD`]).said);
  const unexplained = changes
    .filter((change) => dangerOf(change) !== 'neutral')
    .map(({ kind, subject }) => `${kind} ${subject}`)
    .filter((change) => !meant.has(change));
  expect(unexplained).toEqual([]);
}, 60_000);

test('a reason is needed', () => {
  expect(accepted('Promise-changed: rpc-removed a.v1.AService/Do: nobody called it')).toEqual(
    new Set(['rpc-removed a.v1.AService/Do']),
  );
  expect(accepted('Promise-changed: rpc-removed a.v1.AService/Do:')).toEqual(new Set());
});
