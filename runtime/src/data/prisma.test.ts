/**
 * Prisma's driver adapter on a joined pool: the part of Prisma that talks to the database, without a client generated for tables.
 * A whole client is tried by services/inventory/src/database.test.ts.
 */

import { PrismaPg } from '@prisma/adapter-pg';
import type { SqlDriverAdapter } from '@prisma/driver-adapter-utils';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startTestPostgres, type TestPostgres } from '../../test/postgres.ts';
import { reasonOf } from '../errors/fail.ts';
import { codeOf, openPool, transaction } from './pool.ts';
import { type JoinedDatabase, joinedDatabase } from './prisma.ts';

/** Prisma reduced to single statements and to asking for a transaction. */
type Prisma = {
  run(sql: string): Promise<number>;
  begin(): Promise<unknown>;
};

let postgres: TestPostgres;
let pool: Pool;
let database: JoinedDatabase<Prisma>;

beforeAll(async () => {
  postgres = await startTestPostgres();
  pool = openPool({ databaseUrl: postgres.url(), workload: 'test' });
  database = prismaOn(pool);
}, 60_000);
afterAll(async () => {
  await pool?.end();
  await postgres?.stop();
});
beforeEach(() => pool.query('DROP TABLE IF EXISTS notes; CREATE TABLE notes (name text PRIMARY KEY)'));

function prismaOn(pool: Pool): JoinedDatabase<Prisma> {
  return joinedDatabase(pool, (joining) => {
    const connected: Promise<SqlDriverAdapter> = new PrismaPg(joining.pool).connect();
    const operation = (work: (adapter: SqlDriverAdapter) => Promise<unknown>) =>
      joining.extension.query.$allOperations({ args: undefined, query: async () => await work(await connected) });
    return {
      run: async (sql) => (await operation((adapter) => adapter.executeRaw({ sql, args: [], argTypes: [] }))) as number,
      begin: () => operation((adapter) => adapter.startTransaction()),
    };
  });
}

const insert = (name: string) => database.prisma.run(`INSERT INTO notes VALUES ('${name}')`);
const notes = async () => (await pool.query<{ name: string }>('SELECT name FROM notes ORDER BY name')).rows;

test('what Prisma does within a transaction is part of it: seen there, by nobody else, and rolled back with it', async () => {
  const rolledBack = transaction(pool, async (tx) => {
    await database.within(tx, () => insert('a'));
    expect((await tx.query('SELECT FROM notes')).rowCount).toBe(1);
    expect(await notes()).toEqual([]);
    throw new Error('no');
  });
  await expect(rolledBack).rejects.toThrow('no');
  expect(await notes()).toEqual([]);
});

test('and is committed with it', async () => {
  await transaction(pool, async (tx) => {
    await tx.query("INSERT INTO notes VALUES ('b')");
    await database.within(tx, async () => {
      await insert('a');
      await insert('c');
    });
  });
  expect(await notes()).toEqual([{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
});

test('transactions at once keep what is theirs', async () => {
  await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      transaction(pool, async (tx) => {
        await database.within(tx, () => Promise.all([insert(`${index}-x`), insert(`${index}-y`)]));
        if (index % 2 === 1) throw new Error('no');
      }).catch(() => {}),
    ),
  );
  expect((await notes()).map(({ name }) => name)).toEqual(['0-x', '0-y', '2-x', '2-y', '4-x', '4-y']);
});

test('outside a transaction each statement is one of its own', async () => {
  await insert('a');
  await expect(insert('a')).rejects.toThrow();
  expect(await insert('b')).toBe(1);
  expect(await notes()).toHaveLength(2);
});

test("errors are PostgreSQL's own, within a transaction and outside, and not Prisma's words for them", async () => {
  await insert('a');
  const outside = await insert('a').catch((error: unknown) => error);
  const within = await transaction(pool, (tx) => database.within(tx, () => insert('a'))).catch(
    (error: unknown) => error,
  );
  const plain = await pool.query("INSERT INTO notes VALUES ('a')").catch((error: unknown) => error);
  expect([outside, within, plain].map(codeOf)).toEqual(['23505', '23505', '23505']);
  expect(outside).toMatchObject({ constraint: 'notes_pkey' });
});

test('what befalls the database is told by a reason of the catalogue', async () => {
  const slow = await transaction(pool, async (tx) => {
    await tx.query('SET LOCAL statement_timeout = 20');
    await database.within(tx, () => database.prisma.run('SELECT pg_sleep(5)'));
  }).catch((error: unknown) => error);
  expect(reasonOf(slow)).toBe('DEADLINE');

  const nowhere = openPool({ databaseUrl: 'postgresql://nobody@127.0.0.1:1/none', workload: 'test' });
  const away = prismaOn(nowhere);
  const errors = await Promise.all([
    away.prisma.run('SELECT 1').catch((error: unknown) => error),
    away.sql.query('SELECT 1').catch((error: unknown) => error),
  ]);
  expect(errors.map((error) => reasonOf(error))).toEqual(['UNREACHABLE', 'UNREACHABLE']);
  await nowhere.end();
});

test('a transaction of its own is refused to Prisma: it would not be the one that was begun', async () => {
  await expect(database.prisma.begin()).rejects.toThrow('Prisma wants a transaction of its own');
  expect(pool.idleCount).toBe(pool.totalCount);
});
