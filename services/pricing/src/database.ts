/**
 * Pricing's database: one pool, on which Prisma and prepared statements work side by side.
 */

import { PrismaPg } from '@prisma/adapter-pg';
import { type JoiningPool, joiningPool } from '@weft/runtime/data/prisma';
import type { Pool } from 'pg';
import { PrismaClient } from '../prisma/client/client.ts';

/** What the services of pricing share. */
export type Database = {
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  /** Runs `work`; what it does with Prisma is part of the transaction. */
  readonly within: JoiningPool['within'];
};

/** Puts Prisma on a pool. The pool remains its owner's to end. */
export function openDatabase(pool: Pool): Database {
  const joining = joiningPool(pool);
  return { pool, prisma: new PrismaClient({ adapter: new PrismaPg(joining.pool) }), within: joining.within };
}
