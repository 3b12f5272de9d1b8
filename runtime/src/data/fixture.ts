/**
 * For the tests of this folder: a database with the three tables that README.md names, read from there, so that what is
 * documented is what is tested.
 */

import { readFile } from 'node:fs/promises';
import type { Pool } from 'pg';
import { openPool } from './pool.ts';
import { startTestPostgres } from './testing.ts';

const IDEMPOTENCY_KEYS = `CREATE TABLE idempotency_keys (
  rpc text NOT NULL, principal text NOT NULL, request_id uuid NOT NULL, request_hash bytea NOT NULL,
  response bytea NOT NULL DEFAULT '\\x', create_time timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (rpc, principal, request_id))`;

/** A running database with the tables, and a pool on it. */
export async function databaseWithTables(): Promise<{ pool: Pool; url: string; stop(): Promise<void> }> {
  const postgres = await startTestPostgres();
  const url = await postgres.createDatabase('data');
  const pool = openPool({ databaseUrl: url, workload: 'test', maxConnections: 20 });
  const readme = await readFile(new URL('README.md', import.meta.url), 'utf8');
  const [, sql] = /```sql\n([^`]+)```/.exec(readme) ?? [];
  await pool.query(`${sql}; ${IDEMPOTENCY_KEYS}`);
  return {
    pool,
    url,
    async stop() {
      await pool.end();
      await postgres.stop();
    },
  };
}
