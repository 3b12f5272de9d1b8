/**
 * What separates a service's Prisma schema from its migrations, as SQL. As a command it writes the next migration:
 * `node runtime/src/data/diff.ts <service folder> <name>`, or with `--check` fails when one is missing. The migrations are
 * replayed in an empty shadow database: on the server of DATABASE_URL when that is set, else on a throwaway server.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { migrationsFolder, readMigrations, schemaPath } from './migrations.ts';
import { migrationList, NO_FILTER, withSchemaEngine } from './schema-engine.ts';

/**
 * The SQL that brings a database with all of the service's migrations to its schema; empty when there is nothing to do.
 *
 * @param options.databaseUrl any database on a server where the role may create databases; itself left untouched.
 * @throws Error when the schema is invalid or a migration does not apply.
 */
export async function schemaDifference(options: { databaseUrl: string; serviceFolder: string }): Promise<string> {
  const path = schemaPath(options.serviceFolder);
  const schema = { path, content: await readFile(path, 'utf8') };
  const folder = migrationsFolder(options.serviceFolder);
  const migrations = await readMigrations(folder);
  return withSchemaEngine(options.databaseUrl, schema, async (engine) => {
    const { stdout, exitCode } = await engine.diff({
      from: { tag: 'migrations', ...migrationList(folder, migrations) },
      to: { tag: 'schemaDatamodel', files: [schema] },
      script: true,
      exitCode: true,
      filters: NO_FILTER,
    });
    return exitCode === 0 ? '' : (stdout ?? '');
  });
}

/** Writes `sql` as the migration `<UTC timestamp>_<name>` and gives the path of its file. */
export async function writeMigration(serviceFolder: string, name: string, sql: string): Promise<string> {
  const timestamp = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const folder = join(migrationsFolder(serviceFolder), `${timestamp}_${name}`);
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'migration.sql');
  await writeFile(file, sql, { flag: 'wx' });
  return file;
}

async function main(): Promise<void> {
  const [serviceFolder, name] = process.argv.slice(2);
  if (serviceFolder === undefined || name === undefined || !/^(--check|[a-z0-9_]+)$/.test(name)) {
    process.stderr.write('usage: node diff.ts <service folder> <migration_name | --check>\n');
    process.exitCode = 2;
    return;
  }
  const sql = await withServer((databaseUrl) => schemaDifference({ databaseUrl, serviceFolder }));
  if (sql === '') {
    process.stdout.write('the migrations match the schema\n');
  } else if (name === '--check') {
    process.stderr.write(`the schema is ahead of the migrations by:\n${sql}`);
    process.exitCode = 1;
  } else {
    process.stdout.write(`${await writeMigration(serviceFolder, name, sql)}\n`);
  }
}

async function withServer<T>(work: (databaseUrl: string) => Promise<T>): Promise<T> {
  const databaseUrl = process.env.DATABASE_URL;
  if (databaseUrl !== undefined) return work(databaseUrl);
  // Tests' own server: this is a tool for the checkout, no part of a running service.
  const { startTestPostgres } = await import('../../test/postgres.ts');
  const postgres = await startTestPostgres();
  try {
    return await work(postgres.url());
  } finally {
    await postgres.stop();
  }
}

if (import.meta.main) await main();
