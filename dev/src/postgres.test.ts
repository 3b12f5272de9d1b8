import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { serviceDatabases } from './databases.ts';
import { freePort } from './ports.ts';
import { type PostgresCluster, postgresCluster } from './postgres.ts';
import { Supervisor } from './supervisor.ts';
import { scratchFolder } from './testing/scratch.ts';
import { waitFor } from './wait.ts';

async function started(folder: string): Promise<{ cluster: PostgresCluster; supervisor: Supervisor }> {
  const supervisor = new Supervisor({ stateFolder: folder, report: () => {} });
  onTestFinished(() => supervisor.end());
  const cluster = await postgresCluster({
    stateFolder: folder,
    port: await freePort(),
    logFile: join(folder, 'postgres.log'),
  });
  await supervisor.start(cluster.process);
  return { cluster, supervisor };
}

async function query<T>(url: string, text: string): Promise<T[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows as T[];
  } finally {
    await client.end();
  }
}

/** The same address with another database. */
const at = (url: string, database: string) => url.replace(/[^/]*$/, database);

describe('PostgreSQL', () => {
  test('gives each service a database that no other role can read, by passwords that only we know', async () => {
    const folder = scratchFolder();
    const { cluster } = await started(folder);
    const urls = await serviceDatabases(cluster, folder, ['inventory', 'pricing']);
    const inventory = urls.get('inventory') ?? '';
    await query(inventory, 'CREATE TABLE secret (n int)');
    for (const database of ['pricing', 'postgres', 'template1']) {
      await expect(query(at(inventory, database), 'SELECT 1')).rejects.toThrow(/permission denied/);
    }
    await expect(query(inventory.replace(/:[^:@]*@/, ':wrong@'), 'SELECT 1')).rejects.toThrow(
      /password authentication failed/,
    );
    await expect(query(inventory.replace(/\/\/[^:]*:/, '//postgres:'), 'SELECT 1')).rejects.toThrow(/password/);
    expect(statSync(join(folder, 'secrets', 'postgres.json')).mode & 0o777).toBe(0o600);
    // Asked again, as by the next start, it keeps the passwords and the tables.
    expect(await serviceDatabases(cluster, folder, ['inventory', 'pricing'])).toEqual(urls);
    expect(await query(inventory, 'SELECT * FROM secret')).toEqual([]);
    expect(await query(inventory, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
    expect(await query(inventory, 'SHOW server_version_num')).toEqual([
      { server_version_num: expect.stringMatching(/^18/) },
    ]);
  });

  test('keeps what was committed when it is killed, and comes up again by itself', async () => {
    const folder = scratchFolder();
    const { cluster, supervisor } = await started(folder);
    await query(cluster.adminUrl('postgres'), 'CREATE TABLE kept AS SELECT 42 AS n');
    supervisor.kill('postgres');
    await waitFor('PostgreSQL', () => query(cluster.adminUrl('postgres'), 'SELECT * FROM kept'), { withinMs: 20_000 });
    expect(await query(cluster.adminUrl('postgres'), 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
  });

  test('starts although a stale postmaster.pid names a process that lives, as after a restart of a container', async () => {
    const folder = scratchFolder();
    const { supervisor } = await started(folder);
    const pidFile = join(folder, 'postgres', 'postmaster.pid');
    const lines = readFileSync(pidFile, 'utf8').split('\n');
    supervisor.killAll();
    await supervisor.end();
    // Process 1 lives as long as the machine.
    writeFileSync(pidFile, ['1', ...lines.slice(1)].join('\n'));
    const again = await started(folder);
    expect(again.supervisor.pid('postgres')).toBeDefined();
  });

  test('runs in a folder that nobody else may enter', async () => {
    const folder = join(scratchFolder(), 'closed');
    await mkdir(folder);
    chmodSync(folder, 0o700);
    const { cluster } = await started(join(folder));
    expect(await query(cluster.adminUrl('postgres'), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });
});
