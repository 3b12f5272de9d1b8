/**
 * A throwaway PostgreSQL for tests and for tools that need an empty database: real binaries, its own data folder, a Unix
 * socket instead of a port, durability switched off. Never for data that anyone wants to keep.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { postgresBinaries } from '../../dev/src/postgres-binaries.ts';
import { giveTo, unprivileged } from '../../dev/src/unprivileged.ts';

const exec = promisify(execFile);

const START_ATTEMPTS = 400;
const START_INTERVAL_MS = 25;
/** Lines of the server's own output that are kept for the error of a failed start. */
const OUTPUT_MAX = 100;

export type TestPostgres = {
  /** Connection URL of the database `name` (default `postgres`), as superuser, over the Unix socket. */
  url(name?: string): string;
  /** Creates an empty database and gives its URL. */
  createDatabase(name: string): Promise<string>;
  /** Ends the server as a crash would, and starts it again on the same files. What is to survive must have been durable. */
  crash(): Promise<void>;
  /** Ends the server at once and removes its files. */
  stop(): Promise<void>;
};

/**
 * Starts an empty cluster in a temporary folder: about one second.
 *
 * @param settings server settings beside the defaults, for example `{max_connections: '20'}`.
 * @throws Error with the server's own output when it does not start within 10 s.
 */
export async function startTestPostgres(settings: Record<string, string> = {}): Promise<TestPostgres> {
  const { initdb, postgres } = postgresBinaries();
  const way = await unprivileged();
  const folder = await mkdtemp(join(tmpdir(), 'weft-pg-'));
  giveTo(way.owner, folder);
  const data = join(folder, 'data');
  const cluster = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  const making = way.wrap(initdb, cluster);
  await exec(making.command, making.args, { cwd: folder });

  const options = {
    listen_addresses: '',
    unix_socket_directories: folder,
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    shared_buffers: '32MB',
    ...settings,
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const running = way.wrap(postgres, ['-D', data, ...flags]);
  const output: string[] = [];
  const launch = () => {
    const launched = spawn(running.command, running.args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    launched.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.push(text);
      if (output.length > OUTPUT_MAX) output.shift();
    });
    return launched;
  };
  let server = launch();
  const killOnExit = () => server.kill('SIGQUIT');
  process.once('exit', killOnExit);

  const url = (name = 'postgres') => `postgresql://postgres@localhost/${name}?host=${encodeURIComponent(folder)}`;
  const stop = async () => {
    process.off('exit', killOnExit);
    await end(server);
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    await untilReady(url(), server, output);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    stop,
    async crash() {
      await end(server);
      server = launch();
      await untilReady(url(), server, output);
    },
    createDatabase: async (name) => {
      await query(url(), `CREATE DATABASE "${name}"`);
      return url(name);
    },
  };
}

/** Runs one statement on a connection of its own. */
async function query(databaseUrl: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function untilReady(databaseUrl: string, server: ChildProcess, output: readonly string[]): Promise<void> {
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    if (server.exitCode !== null) break;
    try {
      await query(databaseUrl, 'SELECT 1');
      return;
    } catch {
      await delay(START_INTERVAL_MS);
    }
  }
  throw new Error(`PostgreSQL did not start:\n${output.join('')}`);
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGQUIT');
  await ended;
}
