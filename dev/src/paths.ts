/**
 * Where things are: the checkout, its state folder, and how to reach a Unix socket in it. Socket paths are limited to
 * 107 bytes (103 on macOS), so the processes of the mesh use relative ones; this file finds a short one for everybody else.
 */
import { closeSync, openSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from './failure.ts';

/** The root of the checkout. */
export const checkout = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The folder of everything that the local mesh keeps: `WEFT_STATE`, else `.weft` in the checkout. */
export function defaultStateFolder(): string {
  return resolve(process.env.WEFT_STATE ?? join(checkout, '.weft'));
}

const longestSocketPathBytes = process.platform === 'linux' ? 107 : 103;
const folderDescriptors = new Map<string, number>();

/**
 * A path of the socket `name` (such as `run/edge.admin.sock`) under `stateFolder` that the kernel accepts: absolute when
 * short enough, else relative to the working directory, else (Linux) by way of an open descriptor of the folder.
 */
export function socketPath(stateFolder: string, name: string): string {
  const absolute = join(stateFolder, name);
  for (const path of [absolute, relative(process.cwd(), absolute)]) {
    if (Buffer.byteLength(path) <= longestSocketPathBytes) return path;
  }
  if (process.platform !== 'linux') {
    throw new Failure('The path of the state folder is too long for Unix sockets', {
      why: `${absolute} has more than ${longestSocketPathBytes} bytes.`,
      remedy: 'Set WEFT_STATE to a folder with a shorter path.',
    });
  }
  let descriptor = folderDescriptors.get(stateFolder);
  if (descriptor === undefined) {
    descriptor = openSync(stateFolder, 'r');
    folderDescriptors.set(stateFolder, descriptor);
  }
  return `/proc/self/fd/${descriptor}/${name}`;
}

/** Gives back what socketPath keeps open for a folder that is no longer used. */
export function forgetSocketFolder(stateFolder: string): void {
  const descriptor = folderDescriptors.get(stateFolder);
  if (descriptor === undefined) return;
  folderDescriptors.delete(stateFolder);
  closeSync(descriptor);
}
