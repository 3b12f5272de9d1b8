import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { reasonOf } from '../errors/fail.ts';
import { databaseWithTables } from './fixture.ts';
import { once, purgeIdempotencyKeys } from './idempotency.ts';
import { openPool, query, transaction } from './pool.ts';

let database: Awaited<ReturnType<typeof databaseWithTables>>;
let pool: Pool;

beforeAll(async () => {
  database = await databaseWithTables();
  pool = database.pool;
  await pool.query('CREATE TABLE counters (name text PRIMARY KEY, value int NOT NULL)');
}, 60_000);
afterAll(() => database.stop());
beforeEach(() => pool.query(`TRUNCATE idempotency_keys, counters; INSERT INTO counters VALUES ('a', 0), ('b', 0)`));

const text = (value: string) => create(StringValueSchema, { value });
const count = async (name: string) =>
  (await query<{ value: number }>(pool, 'SELECT value FROM counters WHERE name = $1', [name]))[0]?.value;

describe('a transaction', () => {
  test('is rolled back when its work throws, and its connection is given back', async () => {
    for (let i = 0; i < 40; i += 1) {
      await expect(
        transaction(pool, async (tx) => {
          await tx.query("UPDATE counters SET value = 1 WHERE name = 'a'");
          throw new Error('no');
        }),
      ).rejects.toThrow('no');
    }
    expect(await count('a')).toBe(0);
    expect(pool.idleCount).toBe(pool.totalCount);
  });

  test('trap 5: is run again when it is the victim of a deadlock', async () => {
    const both = (first: string, second: string, met: Promise<void>, meet: () => void) => {
      let attempts = 0;
      return transaction(pool, async (tx) => {
        attempts += 1;
        await tx.query('UPDATE counters SET value = value + 1 WHERE name = $1', [first]);
        meet();
        if (attempts === 1) await met;
        await tx.query('UPDATE counters SET value = value + 1 WHERE name = $1', [second]);
        return attempts;
      });
    };
    const one = Promise.withResolvers<void>();
    const two = Promise.withResolvers<void>();
    const attempts = await Promise.all([
      both('a', 'b', two.promise, one.resolve),
      both('b', 'a', one.promise, two.resolve),
    ]);
    expect(attempts.toSorted()).toEqual([1, 2]);
    expect([await count('a'), await count('b')]).toEqual([2, 2]);
  });

  test('on a database that is away fails with UNREACHABLE', async () => {
    const away = openPool({ databaseUrl: 'postgresql://nobody@127.0.0.1:1/none', workload: 'test' });
    const error = await transaction(away, async () => {}).catch((thrown: unknown) => thrown);
    expect(reasonOf(error)).toBe('UNREACHABLE');
    await away.end();
  });
});

describe('trap 7: a double submit', () => {
  const submit = (requestId: string, body: string, principal = 'subject:ada') =>
    transaction(pool, (tx) =>
      once(
        tx,
        {
          rpc: 'S/M',
          principal,
          requestId,
          requestSchema: StringValueSchema,
          request: text(body),
          responseSchema: StringValueSchema,
        },
        async () => {
          const { rows } = await tx.query<{ value: number }>(
            "UPDATE counters SET value = value + 1 WHERE name = 'a' RETURNING value",
          );
          return text(`${body} ${rows[0]?.value}`);
        },
      ),
    );

  test('has one effect, and the same bytes, also when it comes 30 times at once', async () => {
    const requestId = randomUUID();
    const responses = await Promise.all(Array.from({ length: 30 }, () => submit(requestId, 'x')));
    expect(
      new Set(responses.map((response) => Buffer.from(toBinary(StringValueSchema, response)).toString('hex'))).size,
    ).toBe(1);
    expect(await count('a')).toBe(1);
  });

  test('with another body is REQUEST_ID_REUSED', async () => {
    const requestId = randomUUID();
    await submit(requestId, 'x');
    expect(reasonOf(await submit(requestId, 'y').catch((error: unknown) => error))).toBe('REQUEST_ID_REUSED');
    expect(await count('a')).toBe(1);
  });

  test('of another principal is another request: nobody reads another’s answer', async () => {
    const requestId = randomUUID();
    await submit(requestId, 'x', 'subject:ada');
    expect((await submit(requestId, 'x', 'subject:bob')).value).toBe('x 2');
  });

  test('keys are kept for a day and then forgotten', async () => {
    await submit(randomUUID(), 'x');
    await pool.query("UPDATE idempotency_keys SET create_time = now() - interval '25 hours'");
    await purgeIdempotencyKeys(pool);
    expect((await pool.query('SELECT FROM idempotency_keys')).rowCount).toBe(1);
    await pool.query("UPDATE idempotency_keys SET create_time = now() - interval '49 hours'");
    await purgeIdempotencyKeys(pool);
    expect((await pool.query('SELECT FROM idempotency_keys')).rowCount).toBe(0);
  });

  test('however many there are, they are forgotten some at a time', async () => {
    for (let i = 0; i < 5; i += 1) await submit(randomUUID(), 'x');
    await pool.query("UPDATE idempotency_keys SET create_time = now() - interval '49 hours'");
    const statements = vi.spyOn(pool, 'query');
    await purgeIdempotencyKeys(pool, { atOnce: 2 });
    const deleted = await Promise.all(statements.mock.results.map(async ({ value }) => (await value).rowCount));
    statements.mockRestore();
    expect(deleted).toEqual([2, 2, 1]);
  });
});
