/**
 * Inventory's database: one pool, on which Prisma does the ordinary reading and writing and prepared statements of pg do what is
 * hot or needs locks. Prisma joins a transaction that was begun on the pool, so that a resource, its idempotency key and its
 * change are written together or not at all.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { PrismaPg } from '@prisma/adapter-pg';
import { databaseError, type Sql } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { PrismaClient } from '../prisma/client/client.ts';

/** What the services of inventory share. */
export type Database = {
  /** For transactions. */
  readonly pool: Pool;
  /** For single statements; fails with typed errors for what befalls the database. */
  readonly sql: Sql;
  readonly prisma: PrismaClient;
  /** Runs `work`; what it does with Prisma is part of the transaction `tx`. */
  within<T>(tx: Sql, work: () => Promise<T>): Promise<T>;
};

/** Puts Prisma on a pool. The pool remains its owner's to end. */
export function openDatabase(pool: Pool): Database {
  const joined = new AsyncLocalStorage<Sql>();
  const sql: Sql = {
    query: (...statement) =>
      pool.query(...statement).catch((error: unknown) => {
        throw databaseError(error);
      }),
  };
  // Prisma asks the pool for each of its statements; a pool that looks the same sends them where the transaction is.
  const routed: Pool = Object.create(pool, {
    query: { value: (...statement: Parameters<Sql['query']>) => (joined.getStore() ?? sql).query(...statement) },
    connect: {
      value: () => {
        throw new Error('Prisma wants a transaction of its own: use statements that are single');
      },
    },
  });
  return {
    pool,
    sql,
    prisma: new PrismaClient({ adapter: new PrismaPg(routed) }),
    // Prisma's promises do nothing until they are awaited, so that is done inside as well.
    within: (tx, work) => joined.run(tx, async () => await work()),
  };
}
