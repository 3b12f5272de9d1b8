/** What is generated and committed is what the contracts and schemas say today. */
import { expect, test } from 'vitest';
import { run } from './support/run.ts';

test('gen/ and the Prisma clients are fresh', () => {
  const { status, said } = run('node', ['dev/generate.mjs', '--check']);
  expect(said).toContain('What is generated is up to date.');
  expect(status).toBe(0);
}, 120_000);
