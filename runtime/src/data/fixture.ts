/**
 * For the tests of this folder: a database with the tables of README.md, made from that text by the tools that services use,
 * so that what is documented is what is tested.
 */

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { startTestPostgres, type TestPostgres } from '../../test/postgres.ts';
import { schemaDifference } from './diff.ts';
import { openPool } from './pool.ts';

/** A running database with the tables, and a pool on it. */
export async function databaseWithTables(): Promise<{ pool: Pool; url: string; stop(): Promise<void> }> {
  const postgres = await startTestPostgres();
  const url = await postgres.createDatabase('data');
  const pool = openPool({ databaseUrl: url, workload: 'test', maxConnections: 20 });
  await pool.query(await tablesOfReadme(postgres));
  return {
    pool,
    url,
    async stop() {
      await pool.end();
      await postgres.stop();
    },
  };
}

/** The SQL of the models in README.md. */
async function tablesOfReadme(postgres: TestPostgres): Promise<string> {
  const [generator = '', models = ''] = await Promise.all([readmeBlock('prisma-generator'), readmeBlock('prisma')]);
  return await withService(`${generator}\n${models}`, (serviceFolder) =>
    schemaDifference({ databaseUrl: postgres.url(), serviceFolder }),
  );
}

/** The first block of a language in README.md. */
export async function readmeBlock(language: string): Promise<string> {
  const readme = await readFile(new URL('README.md', import.meta.url), 'utf8');
  const [, block] = new RegExp(`\`\`\`${language}\\n([^\`]+)\`\`\``).exec(readme) ?? [];
  if (block === undefined) {
    throw new Error(`README.md has no block of ${language}`);
  }
  return block;
}

/** Runs `work` on the folder of a service with this schema, which is removed afterwards. */
export async function withService<T>(schema: string, work: (serviceFolder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-service-'));
  try {
    await mkdir(join(folder, 'prisma'));
    await writeFile(join(folder, 'prisma', 'schema.prisma'), schema);
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
