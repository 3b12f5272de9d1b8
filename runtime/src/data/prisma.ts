/**
 * Lets Prisma join a transaction that was begun on the pool, so that a resource, its idempotency key and its change are written
 * together or not at all. Prisma does the ordinary reading and writing; prepared statements do what is hot or needs locks.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Pool, QueryConfig } from 'pg';
import type { Sql } from './pool.ts';

/** A pool for Prisma's adapter, and the way into a transaction. */
export type JoiningPool = {
  /** For `new PrismaPg(pool)`. Remains its owner's to end. */
  readonly pool: Pool;
  /** Runs `work`; what it does with Prisma is part of the transaction `tx`. */
  within<T>(tx: Sql, work: () => Promise<T>): Promise<T>;
};

/** A pool that sends statements where the running transaction is. */
export function joiningPool(pool: Pool): JoiningPool {
  const joined = new AsyncLocalStorage<Sql>();
  const routed: Pool = Object.create(pool, {
    query: { value: (statement: QueryConfig) => (joined.getStore() ?? pool).query(statement) },
    connect: {
      value: () => {
        if (joined.getStore() !== undefined) {
          throw new Error('Prisma wants a transaction of its own within one: use statements that are single');
        }
        return pool.connect();
      },
    },
  });
  return { pool: routed, within: (tx, work) => joined.run(tx, work) };
}
