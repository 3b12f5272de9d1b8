/**
 * Meshes of a test file's own: for what would disturb the shared one, such as another environment or processes that die. They
 * stand on free ports and in scratch folders, and are gone when the file is.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../../dev/src/failure.ts';
import { type Mesh, startMesh } from '../../dev/src/mesh.ts';
import { silentProgress } from '../../dev/src/progress.ts';
import { seed } from '../../dev/src/seed.ts';

export type OwnMesh = { readonly mesh: Mesh; end(): Promise<void> };

/** Starts a mesh; `sample: true` puts the sample shop into it. The caller ends it, in an `afterAll`. */
export async function startOwnMesh(options: { readonly sample: boolean }): Promise<OwnMesh> {
  const stateFolder = mkdtempSync(join(tmpdir(), 'weft-'));
  const forget = () => rmSync(stateFolder, { recursive: true, force: true, maxRetries: 3 });
  const progress = silentProgress();
  let mesh: Mesh | undefined;
  const end = async () => {
    await mesh?.close();
    forget();
  };
  try {
    mesh = await startMesh({ stateFolder, ports: 'free', progress });
    if (options.sample) await seed(mesh, progress);
    return { mesh, end };
  } catch (error) {
    await end();
    throw error instanceof Failure ? new Error(error.explain()) : error;
  }
}
