/**
 * Lets Prisma work on a workload's pool as prepared statements do: in a transaction that was begun there, so that a resource, its
 * idempotency key and its change are written together or not at all, and failing with the same errors.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Pool } from 'pg';
import { type Sql, sqlOn } from './pool.ts';

/** What a Prisma client on a pool is made of. */
export type JoiningPool = {
  /** For `new PrismaPg(pool)`. Remains its owner's to end. */
  readonly pool: Pool;
  /**
   * For `client.$extends(extension)`: what fails, fails as the pool's own statements do; Prisma would tell it in words of its own.
   */
  readonly extension: {
    readonly query: { $allOperations(operation: Operation): Promise<unknown> };
  };
};

/** A workload's database, for prepared statements and for Prisma. */
export type JoinedDatabase<Prisma> = {
  /** For transactions. */
  readonly pool: Pool;
  /** For single statements; fails with typed errors for what befalls the database, as all of these do. */
  readonly sql: Sql;
  /**
   * For ordinary reading and writing, one statement at a time. Not `findUnique`: Prisma gathers those of one moment into one
   * statement, whichever transactions they are of; `findFirst` does the same work.
   */
  readonly prisma: Prisma;
  /** Runs `work`; what it does with Prisma is part of the transaction `tx`. */
  within<T>(tx: Sql, work: () => Promise<T>): Promise<T>;
};

// biome-ignore lint/suspicious/noExplicitAny: Prisma's own type of an operation is different for each schema.
type Operation = { readonly args: any; readonly query: (args: any) => Promise<any> };

/** Where a statement of Prisma goes, and how it failed. */
type Route = { readonly sql: Sql; error?: unknown };

/**
 * Puts a Prisma client on a pool, which remains its owner's to end.
 *
 * @param clientOn makes the client:
 *   `({ pool, extension }) => new PrismaClient({ adapter: new PrismaPg(pool) }).$extends(extension)`.
 */
export function joinedDatabase<Prisma>(pool: Pool, clientOn: (joining: JoiningPool) => Prisma): JoinedDatabase<Prisma> {
  const routes = new AsyncLocalStorage<Route>();
  const sql = sqlOn(pool);
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
  const extension: JoiningPool['extension'] = {
    query: {
      $allOperations({ args, query }) {
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
  };
  return {
    pool,
    sql,
    prisma: clientOn({ pool: routed, extension }),
    // Prisma's promises do nothing until they are awaited, so that is done inside as well.
    within: (tx, work) => routes.run({ sql: tx }, async () => await work()),
  };
}
