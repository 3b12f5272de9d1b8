/**
 * Prisma's schema engine (WebAssembly) on a plain `pg` connection: what applies migrations and compares a schema with them,
 * without a binary and without the network. The driver adapter published for `pg` is used for its type mapping only; four of
 * its habits would harm migrations and are replaced here:
 *  - it cuts scripts at every semicolon, also inside function bodies and literals, and runs the pieces as separate transactions;
 *  - it spreads statements over a pool, so that the engine's advisory lock guards nothing;
 *  - it cannot read the catalogue type "char", so comparing with a live database fails;
 *  - its shadow database takes the name in the connection string, which is the database to be protected.
 */

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory, SqlQuery } from '@prisma/driver-adapter-utils';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum, DriverAdapterError } from '@prisma/driver-adapter-utils';
import type { MigrationList, SchemaContainer, SchemaEngine, SchemaFilter } from '@prisma/schema-engine-wasm';
import { DatabaseError, Pool, type PoolConfig, type QueryResult } from 'pg';

const CONNECT_TIMEOUT_MS = 10_000;
const OID_CHAR = 18;
const OID_TEXT = 25;

/** No table or enum of ours is managed by anything else than Prisma; `pgboss` and its like live in schemas of their own. */
export const NO_FILTER: SchemaFilter = { externalTables: [], externalEnums: [] };

/**
 * Runs `work` with an engine connected to `databaseUrl`, and closes the connection afterwards.
 *
 * @param schema the Prisma schema the engine is asked about.
 * @throws Error when the database cannot be reached; whatever `work` throws.
 */
export async function withSchemaEngine<T>(
  databaseUrl: string,
  schema: SchemaContainer,
  work: (engine: SchemaEngine) => Promise<T>,
): Promise<T> {
  const { SchemaEngine: Engine } = await loadEngine();
  const factory = new SingleConnectionFactory(databaseUrl);
  try {
    const bound = bindMigrationAwareSqlAdapterFactory(factory);
    const engine = await Engine.new({ datamodels: [[schema.path, schema.content]] }, () => undefined, bound);
    return await work(engine);
  } catch (error) {
    throw error instanceof WebAssembly.RuntimeError ? new Error(`Prisma's schema engine: ${panicMessage}`) : error;
  } finally {
    await factory.close();
  }
}

/** Migrations as the engine wants them. `migrations`: folder name and SQL, in the order of their names. */
export function migrationList(baseDir: string, migrations: readonly { name: string; sql: string }[]): MigrationList {
  return {
    baseDir,
    lockfile: { path: './migration_lock.toml', content: 'provider = "postgresql"\n' },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
    })),
  };
}

/** The part of the global that is used here: TypeScript describes it in its browser library only. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: Record<string, unknown> } }>;
  RuntimeError: ErrorConstructor;
};

type EngineModule = typeof import('@prisma/schema-engine-wasm');
type EngineGlue = EngineModule & { __wbg_set_wasm(exports: object): void };
let loaded: Promise<EngineModule> | undefined;
let panicMessage = '';

/** Instantiates the engine once. Done by hand: importing a .wasm file is experimental in Node and warns on stderr. */
function loadEngine(): Promise<EngineModule> {
  loaded ??= (async () => {
    const path = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
    const glue = (await import('@prisma/schema-engine-wasm/schema_engine_bg')) as unknown as EngineGlue;
    const bytes = await readFile(join(dirname(path), 'schema_engine_bg.wasm'));
    // The engine calls this global when it panics, and would otherwise die of its absence instead of saying why.
    Object.assign(globalThis, {
      PRISMA_WASM_PANIC_REGISTRY: {
        set_message: (message: string) => {
          panicMessage = message;
        },
      },
    });
    const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue });
    glue.__wbg_set_wasm(instance.exports);
    (instance.exports.__wbindgen_start as () => void)();
    return glue;
  })();
  return loaded;
}

/** One session per database: locks and `SET`s of the engine hold for all of its statements. */
class SingleConnectionFactory implements SqlMigrationAwareDriverAdapterFactory {
  readonly provider = 'postgres' as const;
  readonly adapterName = '@prisma/adapter-pg';
  readonly #databaseUrl: string;
  readonly #pools = new Set<Pool>();

  constructor(databaseUrl: string) {
    this.#databaseUrl = databaseUrl;
  }

  connect(): Promise<SqlDriverAdapter> {
    const pool = this.#open(this.#databaseUrl);
    return this.#adapt(pool, () => this.#end(pool));
  }

  /** An empty database beside ours, for replaying migrations; dropped when the engine disposes of it. */
  async connectToShadowDb(): Promise<SqlDriverAdapter> {
    const name = `weft_shadow_${randomUUID().replaceAll('-', '')}`;
    const main = this.#open(this.#databaseUrl);
    await main.query(`CREATE DATABASE "${name}"`);
    const url = new URL(this.#databaseUrl);
    url.pathname = `/${name}`;
    const shadow = this.#open(url.href);
    return this.#adapt(shadow, async () => {
      await this.#end(shadow);
      await main.query(`DROP DATABASE "${name}" WITH (FORCE)`);
      await this.#end(main);
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools].map((pool) => this.#end(pool)));
  }

  #open(url: string): OneConnection {
    const pool = new OneConnection({
      connectionString: url,
      application_name: 'weft-migrate',
      max: 1,
      idleTimeoutMillis: 0,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    this.#pools.add(pool);
    return pool;
  }

  async #end(pool: Pool): Promise<void> {
    if (this.#pools.delete(pool)) await pool.end();
  }

  async #adapt(pool: OneConnection, dispose: () => Promise<void>): Promise<SqlDriverAdapter> {
    const adapter = await new PrismaPg(pool).connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    return Object.assign(adapter, {
      dispose,
      queryRaw: async (query: SqlQuery) => {
        const result = await queryRaw(query);
        for (const column of pool.charColumns.get(result.rows) ?? []) {
          result.columnTypes[column] = ColumnTypeEnum.Character;
        }
        return result;
      },
      // One simple query: PostgreSQL itself parses the statements and runs all of them or none.
      executeScript: async (script: string) => {
        try {
          await pool.query(script);
        } catch (error) {
          throw scriptError(error);
        }
      },
    });
  }
}

/** A pool of one, whose columns of type "char" pass for text; which they were is remembered by the rows they came in. */
class OneConnection extends Pool {
  readonly charColumns = new WeakMap<unknown[], number[]>();

  constructor(config: PoolConfig) {
    super(config);
    const query = super.query.bind(this) as (...args: unknown[]) => Promise<QueryResult | QueryResult[]>;
    this.query = (async (...args: unknown[]) => {
      const result = await query(...args);
      if (!Array.isArray(result)) this.#passCharsForText(result);
      return result;
    }) as Pool['query'];
  }

  #passCharsForText({ fields, rows }: QueryResult): void {
    const columns: number[] = [];
    for (const [column, field] of fields.entries()) {
      if (field.dataTypeID !== OID_CHAR) continue;
      field.dataTypeID = OID_TEXT;
      columns.push(column);
    }
    if (columns.length > 0) this.charColumns.set(rows, columns);
  }
}

/** The engine shows only errors of the adapter's own kind. */
function scriptError(error: unknown): unknown {
  if (!(error instanceof DatabaseError)) return error;
  return new DriverAdapterError({
    kind: 'postgres',
    code: error.code ?? 'XX000',
    severity: error.severity ?? 'ERROR',
    message: error.message,
    detail: error.detail,
    column: error.column,
    hint: error.hint,
  });
}
