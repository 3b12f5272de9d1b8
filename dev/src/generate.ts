// The work of `npm run generate`: everything is generated into a temporary folder first, then either copied over gen/ (files
// that are no longer generated disappear) or, with --check, compared with it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeThirdPartyProtos } from './third-party-protos.ts';
import { compareTrees, describe, syncTrees } from './tree.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What lies in gen/ and is written by hand. */
const keep = ['ts/package.json'];

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
process.exitCode = generate(options.check);

function generate(check: boolean): number {
  writeThirdPartyProtos(join(root, '.weft/proto'));
  const scratch = mkdtempSync(join(tmpdir(), 'weft-generate-'));
  try {
    const buf = spawnSync('buf', ['generate', '--output', scratch], { cwd: root, stdio: 'inherit' });
    if (buf.status !== 0) {
      console.error(
        buf.error ? `buf could not be started: ${buf.error.message}` : 'Nothing was changed: mend the above first.',
      );
      return 1;
    }
    const produced = join(scratch, 'gen');
    const differences = compareTrees(produced, join(root, 'gen'), keep);
    if (check) return report(differences);
    syncTrees(produced, join(root, 'gen'), differences);
    console.log(differences.length === 0 ? 'gen/ is up to date' : `gen/ written\n${describe(differences)}`);
    return 0;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function report(differences: ReturnType<typeof compareTrees>): number {
  if (differences.length === 0) return 0;
  console.error(
    `gen/ is not what proto/ says. Run "npm run generate" and commit the result.\n${describe(differences)}`,
  );
  return 1;
}
