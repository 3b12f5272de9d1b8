/**
 * `npm test`: prepares what the tests need, runs vitest on the project's own Node, and ends with the line `N passed, N failed`
 * (and `, N skipped` when there are any), whatever happens. Arguments go to vitest: `npm test -- runtime`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { checkout, explain, prepare, runInForeground } from './install.mjs';

const folder = mkdtempSync(join(tmpdir(), 'weft-test-'));
const summaryFile = join(folder, 'summary.json');
let exitCode = 1;
try {
  const node = await prepare();
  const prepared = spawnSync(node, [join(checkout, 'dev', 'src', 'prepare.ts')], { cwd: checkout, stdio: 'inherit' });
  if (prepared.status === 0) {
    const bin = join(checkout, 'node_modules', '.bin');
    exitCode = await runInForeground(
      node,
      [join(checkout, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)],
      {
        env: {
          ...process.env,
          // What a test starts as `node` is the project's Node too.
          PATH: [bin, dirname(node), process.env.PATH].join(delimiter),
          WEFT_TEST_SUMMARY: summaryFile,
        },
      },
    );
  }
} catch (error) {
  explain(error);
}

const summary = readSummary();
// vitest fails for reasons that no test names: nothing to run, a worker that died, a setup that threw.
if (exitCode !== 0 && summary.failed === 0) summary.failed = 1;
if (summary.failed > 0 && exitCode === 0) exitCode = 1;
rmSync(folder, { recursive: true, force: true });
for (const [reason, count] of Object.entries(summary.reasons)) process.stdout.write(`\n${count} skipped: ${reason}`);
const skipped = summary.skipped > 0 ? `, ${summary.skipped} skipped` : '';
process.stdout.write(`\n${summary.passed} passed, ${summary.failed} failed${skipped}\n`);
process.exitCode = exitCode;

function readSummary() {
  try {
    return JSON.parse(readFileSync(summaryFile, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0, reasons: {} };
  }
}
