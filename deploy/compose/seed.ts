/**
 * Imports the sample shop into the mesh in containers, unless it is there, and places one order: what `npm start` does, by the
 * same code, through the same edge.
 */

import { Failure } from '../../dev/src/failure.ts';
import { placeOrder } from '../../dev/src/order.ts';
import { hopTree, orderTable } from '../../dev/src/order-report.ts';
import { defaultStateFolder } from '../../dev/src/paths.ts';
import { terminalProgress } from '../../dev/src/progress.ts';
import { seed } from '../../dev/src/seed.ts';
import { TokenMint, type TokenOptions } from '../../dev/src/tokens.ts';

const stateFolder = defaultStateFolder();
const mint = await TokenMint.open(stateFolder);
const mesh = {
  edgeUrl: 'http://edge:8080',
  stateFolder,
  token: (options: TokenOptions) => mint.mint(options),
};
const progress = terminalProgress(process.stdout);

try {
  await seed(mesh, progress);
  const customer = { subject: 'developer', token: await mint.mint() };
  const placed = await progress.step('One order through the edge', () => placeOrder(mesh, customer));
  progress.say(['', orderTable(placed), '', hopTree(placed.spans), '', `  Trace ${placed.traceId}`].join('\n'));
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  // The logs and remedies it names are those of `npm start`.
  process.stderr.write(`${error.message}\n${error.why}\nThe logs: docker compose logs\n`);
  process.exitCode = 1;
} finally {
  progress.end();
}
