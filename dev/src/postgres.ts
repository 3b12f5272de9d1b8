/**
 * A PostgreSQL 18 cluster in a folder: made on first use, safe to start again after any crash, listening on loopback only
 * and asking everybody for a password (scram). The databases in it are databases.ts's.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { Failure, messageOf } from './failure.ts';
import { signal, startMark } from './identity.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import type { ProcessSpec } from './process.ts';
import { passwords, writeSecret } from './secrets.ts';
import { giveTo, type Unprivileged, unprivileged } from './unprivileged.ts';
import { waitFor } from './wait.ts';

const run = promisify(execFile);
const superuser = 'postgres';

/** What a laptop can spare. Everything that makes data safe (fsync, full_page_writes, synchronous_commit) stays at its default: on. */
const settings = [
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  "password_encryption = 'scram-sha-256'",
  'max_connections = 100',
  'shared_buffers = 64MB',
  'io_method = sync',
  'max_wal_size = 256MB',
  'jit = off',
  "timezone = 'UTC'",
  "log_timezone = 'UTC'",
  "log_line_prefix = '%m [%p] %d '",
];
const access = ['host all all 127.0.0.1/32 scram-sha-256'];

export interface PostgresCluster {
  /** For a supervisor (supervisor.ts). */
  process: ProcessSpec;
  /** Address of a database for a role, with its password. */
  url(database: string, role: string, password: string): string;
  /** Address of a database for the superuser. */
  adminUrl(database: string): string;
}

/**
 * Makes the cluster in `<stateFolder>/postgres` when there is none, and says how to run it on `port`. The caller holds the
 * lock of the state folder.
 */
export async function postgresCluster(options: {
  stateFolder: string;
  port: number;
  logFile: string;
}): Promise<PostgresCluster> {
  const { stateFolder, port } = options;
  const binaries = postgresBinaries();
  const way = await unprivileged();
  const data = join(stateFolder, 'postgres');
  const password = passwords(join(stateFolder, 'secrets', 'postgres.json'), [superuser]).get(superuser) ?? '';
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(data, binaries.initdb, password, way);
  await chmod(data, 0o700);
  giveTo(way.owner, data);
  await configure(data, way);
  await settlePidFile(data);

  const url = (database: string, role: string, secret: string) =>
    `postgresql://${encodeURIComponent(role)}:${encodeURIComponent(secret)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
  const adminUrl = (database: string) => url(database, superuser, password);
  return {
    url,
    adminUrl,
    process: {
      name: 'postgres',
      ...way.wrap(binaries.postgres, ['-D', data, '-p', String(port)]),
      // The C locale of messages: the log is read by tests and by people who search for its words.
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      cwd: stateFolder,
      logFile: options.logFile,
      // A fast shutdown: open transactions are rolled back, everything committed is written.
      stopSignal: 'SIGINT',
      stopGraceMs: 15_000,
      ready: (over) => answers(adminUrl('postgres'), over),
      readyTimeoutMs: 60_000,
      remedy: 'Read the log. `npm start -- --reset` begins anew with an empty database.',
    },
  };
}

/** initdb into a folder beside, renamed when whole: a start that is interrupted here leaves nothing half made. */
async function initialise(data: string, initdb: string, password: string, way: Unprivileged): Promise<void> {
  const draft = `${data}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true, mode: 0o700 });
  const passwordFile = `${draft}.password`;
  writeSecret(passwordFile, password);
  giveTo(way.owner, draft);
  const { command, args } = way.wrap(initdb, [
    ...['-D', draft, '-U', superuser, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'],
    // The built-in provider orders text the same way on every machine.
    ...['--locale-provider=builtin', '--locale=C.UTF-8', '--lc-messages=C', '--no-instructions'],
  ]);
  try {
    await run(command, args, { timeout: 120_000 });
    await rename(draft, data);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    throw new Failure('PostgreSQL could not make its data folder', {
      why: messageOf(cause),
      remedy: `Check that there is room on the disk of ${data} and that you may write there.`,
      cause,
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function configure(data: string, way: Unprivileged): Promise<void> {
  for (const [name, lines] of [
    ['postgresql.conf', settings],
    ['pg_hba.conf', access],
  ] as const) {
    const file = join(data, name);
    const content = `${lines.join('\n')}\n`;
    if ((await readFile(file, 'utf8').catch(() => '')) === content) continue;
    await rm(file, { force: true });
    await writeFile(file, content, { mode: 0o600 });
    if (way.owner !== undefined) giveTo(way.owner, data);
  }
}

/**
 * PostgreSQL refuses to start when the pid in a stale postmaster.pid belongs to any living process, which after a restart
 * of a container it often does. Should it be a PostgreSQL of this very folder, that one is stopped; else the file's pid is
 * replaced by ours, which PostgreSQL passes over as its parent's, and it still checks the file's shared memory segment.
 */
async function settlePidFile(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return;
  const lines = readFileSync(file, 'utf8').split('\n');
  const pid = Number.parseInt(lines[0] ?? '', 10);
  if (!(pid >= 1) || startMark(pid) === undefined) return;
  if (serves(pid, data)) {
    signal(pid, 'SIGINT');
    await waitFor(`the end of a former PostgreSQL (process ${pid})`, () => startMark(pid) === undefined, {
      withinMs: 30_000,
    });
    return;
  }
  lines[0] = String(process.pid);
  await writeFile(file, lines.join('\n'));
}

/** Whether a process is a PostgreSQL on that folder: its working directory is the folder. */
function serves(pid: number, data: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data);
  } catch {
    return false;
  }
}

/** Resolves when the server takes a connection and answers. */
async function answers(url: string, over: AbortSignal): Promise<void> {
  await waitFor(
    'an answer of PostgreSQL',
    async () => {
      const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query('SELECT 1');
        return true;
      } finally {
        await client.end().catch(() => {});
      }
    },
    { withinMs: 60_000, signal: over },
  );
}
