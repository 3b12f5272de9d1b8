/**
 * Pricing's database: one pool, on which Prisma does the ordinary reading and writing and prepared statements do what is hot or
 * needs locks.
 */

import { PrismaPg } from '@prisma/adapter-pg';
import { databaseError, type Sql } from '@weft/runtime/data/pool';
import { type JoiningPool, joiningPool } from '@weft/runtime/data/prisma';
import type { Pool } from 'pg';
import { PrismaClient } from '../prisma/client/client.ts';

/** What the services of pricing share. */
export type Database = {
  /** For transactions. */
  readonly pool: Pool;
  /** For single statements; fails with typed errors for what befalls the database, as all of these do. */
  readonly sql: Sql;
  readonly prisma: ReturnType<typeof prismaOn>;
  /** Runs `work`; what it does with Prisma is part of the transaction. */
  readonly within: JoiningPool['within'];
};

/** Puts Prisma on a pool. The pool remains its owner's to end. */
export function openDatabase(pool: Pool): Database {
  const joining = joiningPool(pool);
  const sql: Sql = {
    query: (...statement) =>
      pool.query(...statement).catch((error: unknown) => {
        throw databaseError(error);
      }),
  };
  return { pool, sql, prisma: prismaOn(joining), within: joining.within };
}

function prismaOn(joining: JoiningPool) {
  return new PrismaClient({ adapter: new PrismaPg(joining.pool) }).$extends(joining.extension);
}
