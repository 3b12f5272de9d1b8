/**
 * Pricing's database: one pool, on which Prisma does the ordinary reading and writing and prepared statements do what is hot or
 * needs locks.
 */

import { PrismaPg } from '@prisma/adapter-pg';
import { joinedDatabase } from '@weft/runtime/data/prisma';
import type { Pool } from 'pg';
import { PrismaClient } from '../prisma/client/client.ts';

/** What the services of pricing share. */
export type Database = ReturnType<typeof openDatabase>;

/** Puts Prisma on a pool. The pool remains its owner's to end. */
export function openDatabase(pool: Pool) {
  return joinedDatabase(pool, (joining) =>
    new PrismaClient({ adapter: new PrismaPg(joining.pool) }).$extends(joining.extension),
  );
}
