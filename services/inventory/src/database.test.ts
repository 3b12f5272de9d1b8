import { openPool, transaction } from '@weft/runtime/data/pool';
import { reasonOf } from '@weft/runtime/errors/fail';
import { expect, test } from 'vitest';
import { testDatabase } from '../../../dev/src/testing.ts';
import { openDatabase } from './database.ts';

const ITEM = {
  sku: 'MUG',
  name: 'Mug',
  description: '',
  category: 'kitchen',
  gtin: '',
  weightGrams: 1,
  lengthMm: 1,
  widthMm: 1,
  heightMm: 1,
  taxCategory: 'standard',
  customsCode: '',
  originCountryCode: '',
};

test('what Prisma does within a transaction is gone when that is rolled back, and is seen by nobody before', async () => {
  const { url, drop } = await testDatabase('inventory');
  const pool = openPool({ databaseUrl: url, workload: 'test' });
  const database = openDatabase(pool);
  try {
    const rolledBack = transaction(pool, async (tx) => {
      await database.within(tx, () => database.prisma.item.create({ data: ITEM }));
      expect((await tx.query('SELECT FROM items')).rowCount).toBe(1);
      expect(await database.prisma.item.count()).toBe(0);
      throw new Error('no');
    });
    await expect(rolledBack).rejects.toThrow('no');
    expect(await database.prisma.item.count()).toBe(0);
  } finally {
    await database.prisma.$disconnect();
    await pool.end();
    await drop();
  }
});

test('Prisma is refused a transaction of its own', async () => {
  const { url, drop } = await testDatabase('inventory');
  const pool = openPool({ databaseUrl: url, workload: 'test' });
  const { prisma } = openDatabase(pool);
  try {
    const own = prisma.$transaction([
      prisma.item.create({ data: ITEM }),
      prisma.item.create({ data: { ...ITEM, sku: 'CUP' } }),
    ]);
    await expect(own).rejects.toThrow('Prisma wants a transaction of its own');
    expect(await prisma.item.count()).toBe(0);
  } finally {
    await prisma.$disconnect();
    await pool.end();
    await drop();
  }
});

test('a database that is not there is told as such, by pg and by Prisma', async () => {
  const pool = openPool({ databaseUrl: 'postgresql://nobody@127.0.0.1:1/none', workload: 'test' });
  const database = openDatabase(pool);
  const errors = await Promise.all([
    database.sql.query('SELECT 1').catch((error: unknown) => error),
    database.prisma.item.count().catch((error: unknown) => error),
  ]);
  expect(errors.map((error) => reasonOf(error))).toEqual(['UNREACHABLE', 'UNREACHABLE']);
  await pool.end();
});
