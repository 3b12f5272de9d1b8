/**
 * `npm start`: runs on the Node that the user has, installs what is missing, then hands over to dev/src/main.ts on the
 * project's own Node.
 */
import { join } from 'node:path';
import { checkout, explain, prepare, runInForeground } from './install.mjs';

try {
  const node = await prepare();
  const main = join(checkout, 'dev', 'src', 'main.ts');
  // Compiled code is kept for the next start.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(checkout, 'node_modules', '.cache', 'node') };
  process.exitCode = await runInForeground(node, [main, ...process.argv.slice(2)], { env });
} catch (error) {
  explain(error);
  process.exitCode = 1;
}
