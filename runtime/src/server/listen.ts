/**
 * Binds a server to its address: TCP, or a Unix socket that only this user can open, which closes the way past the sidecar.
 */

import { chmod, lstat, rm, stat } from 'node:fs/promises';
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { type Address, dial, formatAddress } from '../address.ts';

const OWNER_ONLY = 0o600;
const OTHERS_AND_EXECUTION = 0o177;

/**
 * Starts listening.
 *
 * A socket file that a dead process left is replaced; one that answers is refused.
 *
 * @returns the address in use, its port filled in where 0 was asked for.
 * @throws Error that says which address, why, and what to do.
 */
export async function listen(server: Server, address: Address): Promise<Address> {
  if (address.kind === 'unix') {
    await removeStale(address);
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(explain(address, error)));
    server.once('listening', resolve);
    if (address.kind === 'tcp') {
      server.listen({ host: address.host, port: address.port });
      return;
    }
    // The file is made while the mask is narrow, so that there is no moment in which others may connect.
    const mask = isMainThread ? process.umask(OTHERS_AND_EXECUTION) : undefined;
    server.listen({ path: address.path });
    if (mask !== undefined) {
      process.umask(mask);
    }
  });
  server.removeAllListeners('error');
  if (address.kind === 'unix') {
    await chmod(address.path, OWNER_ONLY);
    return address;
  }
  const bound = server.address();
  return bound === null || typeof bound === 'string' ? address : { ...address, port: bound.port };
}

/** Whether something answers at an address. */
function answers(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(address);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function removeStale(address: Extract<Address, { kind: 'unix' }>): Promise<void> {
  if (await answers(address)) {
    throw explain(address, Object.assign(new Error(), { code: 'EADDRINUSE' }));
  }
  // Asked first: the system says EACCES of a socket whose folder does not exist.
  await stat(dirname(address.path)).catch((error: NodeJS.ErrnoException) => {
    throw explain(address, error);
  });
  const existing = await lstat(address.path).catch(() => undefined);
  if (existing !== undefined && !existing.isSocket()) {
    throw new Error(`cannot listen on unix:${address.path}: a file that is no socket is there; move it away`);
  }
  await rm(address.path, { force: true });
}

function explain(address: Address, error: NodeJS.ErrnoException): Error {
  const where = formatAddress(address);
  switch (error.code) {
    case 'EADDRINUSE':
      return new Error(`cannot listen on ${where}: another process does; end it, or choose another WEFT_LISTEN`);
    case 'EACCES':
      return new Error(`cannot listen on ${where}: not permitted; choose a WEFT_LISTEN that this user may use`);
    case 'ENOENT':
      return new Error(
        `cannot listen on ${where}: its folder does not exist; create it, or choose another WEFT_LISTEN`,
      );
    default:
      return new Error(`cannot listen on ${where}: ${error.message}`, { cause: error });
  }
}
