/**
 * `npm run conformance`: runs the suite of the Connect project (connectrpc.com/conformance) against our server and our client,
 * whole or in part, and ends with 1 when a case fails.
 */

import { NO_GO } from './go-programs.ts';
import { type Outcome, runSuite } from './runner.ts';
import { readSelection, type Selection, USAGE } from './selection.ts';

function selectionOrUsage(): Selection {
  try {
    return readSelection(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}\n`);
    process.exit(2);
  }
}

function lineOf({ mode, passed, failed, lanes, seconds }: Outcome): string {
  const calls = `calls by lane: ${lanes.fast} fast, ${lanes.adapter} adapter`;
  return `${mode}: ${passed} passed, ${failed} failed; ${calls}; ${seconds.toFixed(0)} s`;
}

const selection = selectionOrUsage();
if (selection.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
const lines: string[] = [];
let good = true;
for (const mode of selection.modes) {
  const outcome = await runSuite(mode, selection, (text) => process.stdout.write(text)).catch((error: Error) => {
    process.stderr.write(`${mode}: ${error.message}\n`);
    process.exit(1);
  });
  if (outcome === undefined) {
    process.stderr.write(`${NO_GO}: install Go, then run this again\n`);
    process.exit(1);
  }
  lines.push(lineOf(outcome), ...outcome.complaints.map((complaint) => `  ${complaint}`));
  good &&= outcome.failed === 0 && outcome.passed > 0 && outcome.complaints.length === 0;
}
process.stdout.write(`\n${lines.join('\n')}\n`);
process.exit(good ? 0 : 1);
