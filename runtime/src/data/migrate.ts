/**
 * Applies a service's migrations to its database with Prisma's own engine, which records them in `_prisma_migrations`. As a
 * command: `DATABASE_URL=... node runtime/src/data/migrate.ts <service folder>`. Any number of processes may run it at once:
 * one works, the others wait and find nothing left to do.
 */

import { Client } from 'pg';
import { migrationsFolder, readMigrations } from './migrations.ts';
import { migrationList, NO_FILTER, withSchemaEngine } from './schema-engine.ts';

/** Advisory lock key, ours alone in the database: the text `weft` as a number. */
const LOCK_KEY = 0x77_65_66_74;
const LOCK_TIMEOUT_MS = 120_000;
const CONNECT_TIMEOUT_MS = 10_000;

/** The engine wants a schema to know its dialect; applying needs nothing else of it. */
const DIALECT = { path: 'schema.prisma', content: 'datasource db {\n  provider = "postgresql"\n}\n' };

export type MigrateOptions = {
  /** PostgreSQL connection URL of a role that owns the schema. */
  databaseUrl: string;
  /** Holds one folder per migration, each with a `migration.sql`. */
  migrationsFolder: string;
};

/**
 * Applies what is not applied yet, each migration whole or not at all, and gives the names of those it applied.
 *
 * A migration that failed is tried again by the next run: its script ran as one transaction, so nothing of it stayed. A
 * database that is ahead of the folder (an older version of a service starts beside a newer one) is left as it is.
 *
 * @throws Error naming the migration and PostgreSQL's message; naming the migrations when applied ones were edited.
 */
export function migrate(options: MigrateOptions): Promise<string[]> {
  return exclusively(options.databaseUrl, async () => {
    const migrations = await readMigrations(options.migrationsFolder);
    const migrationsList = migrationList(options.migrationsFolder, migrations);
    return withSchemaEngine(options.databaseUrl, DIALECT, async (engine) => {
      const history = await engine.diagnoseMigrationHistory({
        migrationsList,
        optInToShadowDatabase: false,
        filters: NO_FILTER,
      });
      for (const migrationName of history.failedMigrationNames) {
        await engine.markMigrationRolledBack({ migrationName });
      }
      const edited = history.editedMigrationNames.filter((name) => !history.failedMigrationNames.includes(name));
      if (edited.length > 0) {
        throw new Error(`Migrations were edited after they had been applied: ${edited.join(', ')}`);
      }
      const applied = await engine.applyMigrations({ migrationsList, filters: NO_FILTER });
      return applied.appliedMigrationNames;
    });
  });
}

/**
 * Holds a lock around the whole run. The engine's own covers applying only, and a migration that another process is just
 * applying looks failed to whoever reads the history meanwhile.
 */
async function exclusively<T>(databaseUrl: string, work: () => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: databaseUrl,
    application_name: 'weft-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  await client.connect();
  try {
    await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await client.query('SELECT pg_advisory_lock($1)', [LOCK_KEY]);
    return await work();
  } finally {
    await client.end();
  }
}

async function main(): Promise<void> {
  const [serviceFolder] = process.argv.slice(2);
  const databaseUrl = process.env.DATABASE_URL;
  if (serviceFolder === undefined || databaseUrl === undefined) {
    process.stderr.write('usage: DATABASE_URL=postgresql://... node migrate.ts <service folder>\n');
    process.exitCode = 2;
    return;
  }
  try {
    const applied = await migrate({ databaseUrl, migrationsFolder: migrationsFolder(serviceFolder) });
    process.stdout.write(
      applied.length === 0 ? 'nothing to apply\n' : applied.map((name) => `applied ${name}\n`).join(''),
    );
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

if (import.meta.main) await main();
