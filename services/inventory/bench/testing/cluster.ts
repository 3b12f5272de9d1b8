/**
 * PostgreSQL for the benchmarks: the one that tests use, with everything that makes a commit durable switched on. In a folder of what serves
 * tests, since what ships may import neither `dev` nor another package's tests.
 */

import { Client } from 'pg';
import { applyMigrations } from '../../../../dev/src/migrations.ts';
import { startTestPostgres } from '../../../../runtime/test/postgres.ts';

/** As in production, but for sizes, which suit a small machine. */
const SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '2GB',
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  max_connections: '200',
};

/** A cluster. */
export type Cluster = {
  /** What the server says it runs with, for the head of the figures. */
  readonly settings: string;
  /** Makes a database with inventory's tables, and gives its URL. */
  createDatabase(name: string): Promise<string>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
};

/** Starts a cluster. */
export async function startCluster(): Promise<Cluster> {
  const postgres = await startTestPostgres(SETTINGS);
  const client = new Client({ connectionString: postgres.url() });
  await client.connect();
  const { rows } = await client.query<{ name: string; value: string }>(
    'SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY($1) ORDER BY name',
    [['server_version', ...Object.keys(SETTINGS)]],
  );
  await client.end();
  return {
    settings: rows.map(({ name, value }) => `${name} = ${value}`).join(', '),
    createDatabase: async (name) => {
      const url = await postgres.createDatabase(name);
      await applyMigrations('inventory', url);
      return url;
    },
    stop: postgres.stop,
  };
}
