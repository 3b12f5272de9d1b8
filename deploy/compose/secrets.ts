/**
 * Makes what the mesh in containers needs once and keeps: each workload's certificate, the key and JWKS of tokens, and the
 * folder of admin sockets. Runs as root in a container of its own, and gives everything to the user that the Envoys run as.
 */

import { chown, lchown, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureCertificates } from '../../dev/src/certificates.ts';
import { TokenMint } from '../../dev/src/tokens.ts';

const FOLDER = '/etc/weft';
const ADMIN_SOCKETS = '/var/run/weft';
const WORKLOADS = ['console', 'edge', 'inventory', 'pricing', 'shipping'];
/** The user of the Envoys and of the console. */
const OWNER = 1_000;

const renewed = await ensureCertificates(FOLDER, WORKLOADS);
await TokenMint.open(FOLDER);
await chown(ADMIN_SOCKETS, OWNER, OWNER);
await give(FOLDER);
process.stdout.write(`certificates made: ${renewed.length === 0 ? 'none, all are good' : renewed.join(', ')}\n`);

async function give(folder: string): Promise<void> {
  await chown(folder, OWNER, OWNER);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    await (entry.isDirectory() ? give(path) : lchown(path, OWNER, OWNER));
  }
}
