/** The log files of the mesh's processes: bounded in size, and read from their end when something went wrong. */
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';

const rotateAtBytes = 16 * 1024 * 1024;
const tailBytes = 16 * 1024;
const longestLine = 400;

/** Sets a log aside as `<file>.1` (replacing the one before) when it has grown too large. Call while nobody writes to it. */
export function rotateLog(file: string): void {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > rotateAtBytes) renameSync(file, `${file}.1`);
}

/** The last `count` lines of a log, long ones cut; empty when there is none. */
export function tail(file: string, count: number): string {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return '';
  }
  try {
    const size = fstatSync(descriptor).size;
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
    const lines = buffer.toString('utf8').trimEnd().split('\n').slice(-count);
    return lines.map((line) => (line.length > longestLine ? `${line.slice(0, longestLine)}…` : line)).join('\n');
  } finally {
    closeSync(descriptor);
  }
}
