/**
 * The files of a service's migrations: <service>/prisma/schema.prisma and <service>/prisma/migrations/<timestamp>_<name>/migration.sql.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export type Migration = { name: string; sql: string };

/** Reads the migrations of a folder in the order of their names; none when the folder does not exist. */
export async function readMigrations(migrationsFolder: string): Promise<Migration[]> {
  const entries = await readdir(migrationsFolder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => ({
      name,
      sql: await readFile(join(migrationsFolder, name, 'migration.sql'), 'utf8'),
    })),
  );
}

/** `<service folder>/prisma/migrations` */
export const migrationsFolder = (serviceFolder: string): string => join(serviceFolder, 'prisma', 'migrations');

/** `<service folder>/prisma/schema.prisma` */
export const schemaPath = (serviceFolder: string): string => join(serviceFolder, 'prisma', 'schema.prisma');
