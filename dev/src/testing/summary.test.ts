import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { checkout } from '../paths.ts';
import { scratchFolder } from './scratch.ts';
import type { Summary } from './summary-reporter.ts';

const run = promisify(execFile);

/** Runs vitest on files in a folder of their own; returns the summary and the exit code. */
async function summaryOf(files: Record<string, string>): Promise<{ summary: Summary; code: number }> {
  const folder = scratchFolder();
  const summaryFile = join(folder, 'summary.json');
  symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'src'));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, 'src', name), `import { beforeAll, describe, expect, test } from 'vitest';\n${text}`);
  }
  const reporter = join(checkout, 'dev', 'src', 'testing', 'summary-reporter.ts');
  writeFileSync(
    join(folder, 'vitest.config.ts'),
    `import { SummaryReporter } from ${JSON.stringify(reporter)};
     export default { test: { reporters: [new SummaryReporter(${JSON.stringify(summaryFile)})] } };`,
  );
  const vitest = join(checkout, 'node_modules', 'vitest', 'vitest.mjs');
  const env = { ...process.env, VITEST: undefined, VITEST_POOL_ID: undefined, VITEST_WORKER_ID: undefined };
  const code = await run(process.execPath, [vitest, 'run'], { cwd: folder, env }).then(
    () => 0,
    (error: { code: number }) => error.code,
  );
  return { summary: JSON.parse(readFileSync(summaryFile, 'utf8')), code };
}

test('counts passed, failed and skipped tests', async () => {
  const { summary, code } = await summaryOf({
    'a.test.ts': `test('yes', () => {}); test('no', () => { expect(1).toBe(2); }); test.skip('later', () => {}); test('there', ({ skip }) => skip('there is no moon'));`,
    'b.test.ts': `describe('in a suite', () => { test('yes', () => {}); });`,
  });
  expect({ summary, code }).toEqual({
    summary: { passed: 2, failed: 1, skipped: 2, reasons: { 'there is no moon': 1 } },
    code: 1,
  });
}, 60_000);

test('a file that cannot be loaded, a hook that throws and an error that nobody caught count as failures', async () => {
  const { summary, code } = await summaryOf({
    'load.test.ts': `import './not-there.ts'; test('never', () => {});`,
    'hook.test.ts': `describe('suite', () => { beforeAll(() => { throw new Error('x'); }); test('never', () => {}); });`,
    'loose.test.ts': `test('yes', async () => { setTimeout(() => { throw new Error('loose'); }, 5); await new Promise((r) => setTimeout(r, 100)); });`,
  });
  expect(code).toBe(1);
  expect(summary.failed).toBeGreaterThanOrEqual(3);
  expect(summary.passed).toBe(1);
}, 60_000);
