/**
 * Shipping's database: one pool, on which Prisma does the ordinary reading and prepared statements of pg do what is hot or
 * guarded.
 */

import { PrismaPg } from '@prisma/adapter-pg';
import type { Pool } from 'pg';
import { PrismaClient } from '../prisma/client/client.ts';

/** What the services of shipping share. */
export type Database = { readonly pool: Pool; readonly prisma: PrismaClient };

/** Puts Prisma on a pool. The pool remains its owner's to end. */
export function openDatabase(pool: Pool): Database {
  return { pool, prisma: new PrismaClient({ adapter: new PrismaPg(pool) }) };
}
