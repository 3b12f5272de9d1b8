/**
 * `npm start`: runs on the Node that the user has, installs what is missing, then hands over to dev/src/main.ts on the
 * project's own Node.
 */
import { join } from 'node:path';
import { checkout, explain, prepare, runInForeground } from './install.mjs';

try {
  const node = await prepare();
  process.exitCode = await runInForeground(node, [join(checkout, 'dev', 'src', 'main.ts'), ...process.argv.slice(2)]);
} catch (error) {
  explain(error);
  process.exitCode = 1;
}
