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
  /**
   * For ordinary reading and writing, one statement at a time. It fails as `sql` does. Not `findUnique`: Prisma gathers those of
   * one moment into one statement, whichever transactions they are of; `findFirst` does the same work.
   */
  readonly prisma: ReturnType<typeof prismaOn>;
  /** Runs `work`; what it does with Prisma is part of the transaction `tx`. */
  within<T>(tx: Sql, work: () => Promise<T>): Promise<T>;
};

/** Where a statement of Prisma goes, and how it failed. */
type Route = { readonly sql: Sql; error?: unknown };

/** Puts Prisma on a pool. The pool remains its owner's to end. */
export function openDatabase(pool: Pool): Database {
  const routes = new AsyncLocalStorage<Route>();
  const sql: Sql = {
    query: (...statement) =>
      pool.query(...statement).catch((error: unknown) => {
        throw databaseError(error);
      }),
  };
  return {
    pool,
    sql,
    prisma: prismaOn(pool, sql, routes),
    // Prisma's promises do nothing until they are awaited, so that is done inside as well.
    within: (tx, work) => routes.run({ sql: tx }, async () => await work()),
  };
}

function prismaOn(pool: Pool, sql: Sql, routes: AsyncLocalStorage<Route>) {
  // Prisma asks the pool for each of its statements; a pool that looks the same sends them where the transaction is.
  const routed: Pool = Object.create(pool, {
    query: {
      value: (...statement: Parameters<Sql['query']>) => {
        const route = routes.getStore() ?? { sql };
        return route.sql.query(...statement).catch((error: unknown) => {
          route.error = error;
          throw error;
        });
      },
    },
    connect: {
      value: () => {
        throw new Error('Prisma wants a transaction of its own: use statements that are single');
      },
    },
  });
  // Prisma tells errors in words of its own; the services know those of pg and of the runtime.
  return new PrismaClient({ adapter: new PrismaPg(routed) }).$extends({
    query: {
      $allOperations: ({ args, query }) => {
        const route: Route = { sql: routes.getStore()?.sql ?? sql };
        return routes.run(route, async () => {
          try {
            return await query(args);
          } catch (error) {
            throw route.error ?? error;
          }
        });
      },
    },
  });
}
