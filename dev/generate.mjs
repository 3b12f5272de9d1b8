// `npm run generate`: writes all of gen/ anew from proto/ and removes what is stale. With --check it changes nothing and
// fails when gen/ is not what the contracts say. Plain JavaScript, since it may be started by a Node without TypeScript:
// it hands over to the Node that the lockfile pins.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = join(root, 'node_modules', '.bin');
if (!existsSync(bin)) {
  console.error('Nothing is installed yet. Run "npm ci" first.');
  process.exit(1);
}
const pinned = join(bin, 'node');
const { status } = spawnSync(
  existsSync(pinned) ? pinned : process.execPath,
  [join(root, 'dev', 'src', 'generate.ts'), ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit', env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` } },
);
process.exit(status ?? 1);
