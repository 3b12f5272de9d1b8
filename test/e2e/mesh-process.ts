/**
 * The whole mesh of the checkout that this file stands in, as a process of its own, for tests of a copy: stands on free ports, keeps
 * its state in the folder that it is given, says in one line of JSON where its edge is, and ends when its input does.
 */
import { Failure } from '../../dev/src/failure.ts';
import { startMesh } from '../../dev/src/mesh.ts';
import { silentProgress } from '../../dev/src/progress.ts';

const [stateFolder = ''] = process.argv.slice(2);
const ended = new AbortController();
process.stdin.once('end', () => ended.abort()).resume();
try {
  const mesh = await startMesh({ stateFolder, ports: 'free', progress: silentProgress(), signal: ended.signal });
  process.stdout.write(`${JSON.stringify({ edgeUrl: mesh.edgeUrl })}\n`);
  if (!ended.signal.aborted) await new Promise((resolve) => ended.signal.addEventListener('abort', resolve));
  await mesh.close();
} catch (error) {
  process.stderr.write(`${error instanceof Failure ? error.explain() : String(error)}\n`);
  process.exitCode = 1;
}
