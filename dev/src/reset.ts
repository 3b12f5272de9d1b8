/** `npm start -- --reset`: deletes what a state folder keeps, and only that. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.ts';
import { endLeftovers } from './leftovers.ts';
import { lockStateFolder } from './lock.ts';
import { ledgerFile } from './supervisor.ts';

/** All that a mesh makes in its state folder. Anything else there is somebody else's and stays. */
const kept = ['certs', 'envoy', 'jwks.json', 'logs', 'postgres', 'postgres.new', 'run', 'sample-imported', 'secrets'];

/** Deletes the data, keys and logs of a mesh that does not run. Throws Failure when it runs. */
export async function resetState(stateFolder: string): Promise<void> {
  if (!existsSync(stateFolder)) return;
  const lock = lockStateFolder(stateFolder);
  try {
    await endLeftovers(ledgerFile(stateFolder));
    const there = new Set(readdirSync(stateFolder));
    for (const name of kept) if (there.has(name)) rmSync(join(stateFolder, name), { recursive: true, force: true });
  } catch (cause) {
    throw new Failure('The state folder could not be emptied', {
      why: String(cause),
      remedy: `Delete ${stateFolder} by hand.`,
      cause,
    });
  } finally {
    lock.release();
  }
}
