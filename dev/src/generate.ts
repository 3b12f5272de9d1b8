/**
 * The work of `npm run generate`: everything is generated into a temporary folder first, then either copied over what is
 * there (files that are no longer generated disappear) or, with --check, compared with it.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { generatePrismaClient } from '@weft/runtime/data/prisma-generate';
import { writeThirdPartyProtos } from './third-party-protos.ts';
import { compareTrees, type Difference, syncTrees } from './tree.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What lies in gen/ and is written by hand. */
const byHand = ['ts/package.json'];

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
process.exitCode = await generate(options.check);

async function generate(check: boolean): Promise<number> {
  writeThirdPartyProtos(join(root, '.weft/proto'));
  const scratch = mkdtempSync(join(tmpdir(), 'weft-generate-'));
  try {
    if (!fromContracts(scratch)) return 1;
    const folders = ['gen', ...(await fromSchemas(scratch))];
    const found = folders.flatMap((folder) => {
      const differences = compareTrees(join(scratch, folder), join(root, folder), folder === 'gen' ? byHand : []);
      if (!check) syncTrees(join(scratch, folder), join(root, folder), differences);
      return differences.map((difference) => `  ${describe(folder, difference)}`);
    });
    return report(found, check);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Runs buf's plugins into `<scratch>/gen`; false when one of them refused, having said why. */
function fromContracts(scratch: string): boolean {
  const buf = spawnSync('buf', ['generate', '--output', scratch], { cwd: root, stdio: 'inherit' });
  if (buf.status === 0) return true;
  console.error(
    buf.error ? `buf could not be started: ${buf.error.message}` : 'Nothing was changed: mend the above first.',
  );
  return false;
}

/** Generates each service's Prisma client below `scratch`, and returns their folders. */
async function fromSchemas(scratch: string): Promise<string[]> {
  const folders: string[] = [];
  for (const service of readdirSync(join(root, 'services')).sort()) {
    const schema = join('services', service, 'prisma', 'schema.prisma');
    if (!existsSync(join(root, schema))) continue;
    mkdirSync(join(scratch, 'services', service, 'prisma'), { recursive: true });
    copyFileSync(join(root, schema), join(scratch, schema));
    await generatePrismaClient(join(scratch, 'services', service));
    folders.push(join('services', service, 'prisma', 'client'));
  }
  return folders;
}

function describe(folder: string, { path, kind }: Difference): string {
  return `${kind}: ${join(folder, path)}`;
}

function report(differences: readonly string[], check: boolean): number {
  if (differences.length === 0) {
    console.log('What is generated is up to date.');
    return 0;
  }
  const list = differences.join('\n');
  if (check) console.error(`What is generated is not fresh. Run "npm run generate" and commit the result.\n${list}`);
  else console.log(`Generated:\n${list}`);
  return check ? 1 : 0;
}
