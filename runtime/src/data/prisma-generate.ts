/**
 * Generates the Prisma clients of services, offline: `node runtime/src/data/prisma-generate.ts <service folder>...`. The
 * output is TypeScript that Node runs as it stands, the same bytes for the same schema, and is committed.
 */

import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { schemaPath } from './migrations.ts';

const exec = promisify(execFile);
const GENERATE_TIMEOUT_MS = 120_000;

/** What a schema's generator must say: anything else needs an engine, a compiler or a network. */
const GENERATOR = {
  provider: /^prisma-client$/,
  output: /^(\.\/)?client$/,
  runtime: /^nodejs$/,
  moduleFormat: /^esm$/,
  generatedFileExtension: /^ts$/,
  importFileExtension: /^ts$/,
};

/** What is wrong with the generator block of a schema, one line each; empty when Node can run what it generates. */
export function generatorFaults(schema: string): string[] {
  const block = /^generator\s+\w+\s*\{([^}]*)\}/m.exec(schema)?.[1] ?? '';
  const values = new Map([...block.matchAll(/(\w+)\s*=\s*"([^"]*)"/g)].map((match) => [match[1], match[2]]));
  return Object.entries(GENERATOR)
    .filter(([key, wanted]) => !wanted.test(values.get(key) ?? ''))
    .map(([key, wanted]) => `generator.${key} must match ${wanted.source}, but is ${values.get(key) ?? 'absent'}`);
}

/**
 * Writes `<service folder>/prisma/client` anew from `<service folder>/prisma/schema.prisma`.
 *
 * @throws Error with Prisma's message when the schema is invalid; naming what its generator block lacks.
 */
export async function generatePrismaClient(serviceFolder: string): Promise<void> {
  const schema = resolve(schemaPath(serviceFolder));
  const faults = generatorFaults(await readFile(schema, 'utf8'));
  if (faults.length > 0) throw new Error(`${schemaPath(serviceFolder)}: ${faults.join('; ')}`);
  await rm(join(dirname(schema), 'client'), { recursive: true, force: true });
  const cli = createRequire(import.meta.url).resolve('prisma/build/index.js');
  try {
    await exec(process.execPath, [cli, 'generate', '--schema', schema, '--no-hints'], {
      cwd: dirname(schema),
      timeout: GENERATE_TIMEOUT_MS,
      env: { ...process.env, ...OFFLINE },
    });
  } catch (error) {
    const { stderr = '', stdout = '' } = error as { stderr?: string; stdout?: string };
    throw new Error(`prisma generate failed for ${serviceFolder}:\n${stderr}${stdout}`, { cause: error });
  }
}

/**
 * Keeps the Prisma command from the network: no check for updates, and no download of the binary schema engine, which it
 * otherwise fetches before any command. Generating never runs that engine, so any existing file satisfies it.
 */
const OFFLINE = {
  CHECKPOINT_DISABLE: '1',
  PRISMA_HIDE_UPDATE_MESSAGE: '1',
  PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
  NO_COLOR: '1',
};

async function main(): Promise<void> {
  const folders = process.argv.slice(2);
  if (folders.length === 0) {
    process.stderr.write('usage: node prisma-generate.ts <service folder>...\n');
    process.exitCode = 2;
    return;
  }
  for (const folder of folders) {
    await generatePrismaClient(folder);
    process.stdout.write(`generated ${join(folder, 'prisma', 'client')}\n`);
  }
}

if (import.meta.main) await main();
