/**
 * One supervisor a state folder. The lock is the operating system's own on an SQLite file (fcntl), which it takes back from
 * a process that dies however it dies: a file with a pid in it would be stale then, or raced by two starts that both saw it stale.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Failure } from './failure.ts';

/** Locks that are held. A database that nobody refers to is closed by the garbage collector, and its lock with it. */
const held = new Set<DatabaseSync>();

export interface Lock {
  release(): void;
}

/** Takes the lock of a state folder. Throws Failure, with the holder's pid, when another process has it. */
export function lockStateFolder(stateFolder: string): Lock {
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  const holderFile = join(stateFolder, 'supervisor.pid');
  const database = new DatabaseSync(join(stateFolder, 'supervisor.lock'), { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    const holder = readHolder(holderFile);
    throw new Failure('Weft already runs on this state folder', {
      why: `${stateFolder} is in use${holder === undefined ? '' : ` by process ${holder}`}.`,
      remedy: `Stop it with Ctrl-C in its terminal${holder === undefined ? '' : ` or \`kill ${holder}\``}, or start from another checkout.`,
      cause,
    });
  }
  held.add(database);
  writeFileSync(holderFile, `${process.pid}\n`);
  return {
    release() {
      rmSync(holderFile, { force: true });
      held.delete(database);
      database.close();
    },
  };
}

function readHolder(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
