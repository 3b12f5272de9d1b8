/**
 * Brings a service's database up to its migrations. What the engine needs (a large WebAssembly module, timers that outlive its
 * work) lives in a worker thread that ends with it, and is not loaded at all when the database already is where it should be.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Client, DatabaseError } from 'pg';
import { Failure, messageOf } from './failure.ts';
import { checkout } from './paths.ts';

/** PostgreSQL's code for a table that does not exist. */
const undefinedTable = '42P01';

/** Where a service keeps its migrations; undefined for one without a database. */
export function migrationsFolderOf(service: string): string | undefined {
  const folder = join(checkout, 'services', service, 'prisma', 'migrations');
  return existsSync(folder) ? folder : undefined;
}

/** Applies what is missing and returns the names of what it applied. Throws Failure with PostgreSQL's words. */
export async function applyMigrations(service: string, databaseUrl: string): Promise<string[]> {
  const migrationsFolder = migrationsFolderOf(service);
  if (migrationsFolder === undefined) throw new Error(`services/${service} has no prisma/migrations`);
  try {
    if (await isUpToDate(databaseUrl, migrationsFolder)) return [];
    return await migrateInWorker({ databaseUrl, migrationsFolder });
  } catch (cause) {
    throw new Failure(`The migrations of ${service} could not be applied`, {
      why: messageOf(cause),
      remedy:
        'Mend the migration and start again. If applied ones were edited on purpose, `npm start -- --reset` begins with an empty database.',
      cause,
    });
  }
}

async function isUpToDate(databaseUrl: string, migrationsFolder: string): Promise<boolean> {
  const wanted = readdirSync(migrationsFolder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${name} ${checksum(join(migrationsFolder, name, 'migration.sql'))}`);
  const applied = new Set(await appliedMigrations(databaseUrl));
  return wanted.every((migration) => applied.has(migration));
}

/** As Prisma records it. */
function checksum(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

async function appliedMigrations(databaseUrl: string): Promise<string[]> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ migration: string }>(
      `SELECT migration_name || ' ' || checksum AS migration FROM _prisma_migrations
        WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`,
    );
    return rows.map((row) => row.migration);
  } catch (error) {
    if (error instanceof DatabaseError && error.code === undefinedTable) return [];
    throw error;
  } finally {
    await client.end();
  }
}

async function migrateInWorker(options: { databaseUrl: string; migrationsFolder: string }): Promise<string[]> {
  const worker = new Worker(new URL('./migrations-worker.ts', import.meta.url), { workerData: options, execArgv: [] });
  try {
    return await new Promise<string[]>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`the migration thread ended with code ${code}`)));
    });
  } finally {
    await worker.terminate();
  }
}
