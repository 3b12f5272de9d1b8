import { create } from '@bufbuild/protobuf';
import { file_google_protobuf_descriptor } from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from 'vitest';
import { reasonOf } from '../errors/fail.ts';
import { describeFile } from '../wire/describe.ts';
import { coalesce } from './coalesce.ts';
import { openPageToken, sealPageToken } from './page.ts';

describe('coalescing', () => {
  test('a batch is what arrived during the one before; each caller gets its own answer', async () => {
    const batches: number[][] = [];
    const gate = Promise.withResolvers<void>();
    const double = coalesce<number, number>({
      maxInFlight: 1,
      run: async (batch) => {
        batches.push([...batch]);
        if (batches.length === 1) await gate.promise;
        return batch.map((n) => (n === 3 ? new Error('three') : n * 2));
      },
    });
    const first = double(1);
    await new Promise((resolve) => setImmediate(resolve));
    const rest = Promise.allSettled([double(2), double(3), double(4)]);
    gate.resolve();
    expect(await first).toBe(2);
    expect(await rest).toMatchObject([{ value: 4 }, { reason: { message: 'three' } }, { value: 8 }]);
    expect(batches).toEqual([[1], [2, 3, 4]]);
  });

  test('never has more batches at work than allowed, nor larger ones', async () => {
    let atWork = 0;
    let most = 0;
    const run = coalesce<number, number>({
      maxBatch: 10,
      run: async (batch) => {
        atWork += 1;
        most = Math.max(most, atWork);
        expect(batch.length).toBeLessThanOrEqual(10);
        await new Promise((resolve) => setImmediate(resolve));
        atWork -= 1;
        return [...batch];
      },
    });
    const numbers = Array.from({ length: 500 }, (_, i) => i);
    expect(await Promise.all(numbers.map((n) => run(n)))).toEqual(numbers);
    expect(most).toBe(2);
  });

  test('refuses at once when too many wait, and leaves out who has gone', async () => {
    const gate = Promise.withResolvers<void>();
    const seen: string[] = [];
    const run = coalesce<string, string>({
      maxInFlight: 1,
      maxQueue: 2,
      run: async (batch) => {
        seen.push(...batch);
        await gate.promise;
        return [...batch];
      },
    });
    const first = run('first');
    await new Promise((resolve) => setImmediate(resolve));
    const left = new AbortController();
    const gone = run('gone', left.signal).catch((error: unknown) => error);
    const stays = run('stays');
    expect(reasonOf(await run('too many').catch((error: unknown) => error))).toBe('OVERLOADED');
    left.abort(new Error('left'));
    gate.resolve();
    expect(await Promise.all([first, stays])).toEqual(['first', 'stays']);
    expect(await gone).toMatchObject({ message: 'left' });
    expect(seen).toEqual(['first', 'stays']);
  });

  test('tells every caller when the batch fails', async () => {
    const run = coalesce<number, number>({ run: async () => Promise.reject(new Error('down')) });
    expect(await Promise.allSettled([run(1), run(2)])).toMatchObject([
      { reason: { message: 'down' } },
      { reason: { message: 'down' } },
    ]);
  });
});

describe('a page token', () => {
  const file = describeFile({
    name: 'test/list.proto',
    package: 'test',
    imports: [file_google_protobuf_descriptor],
    messages: { ListRequest: { fields: { page_size: '1 int32', page_token: '2 string', filter: '3 string' } } },
  });
  const schema = file.messages[0];
  if (schema === undefined) throw new Error('no schema');
  const request = (fields: Record<string, unknown>) => create(schema, fields) as never;

  test('leads on within its query, whatever the page size', () => {
    const token = sealPageToken(schema, request({ filter: 'a', pageSize: 5 }), 'cursor');
    expect(openPageToken(schema, request({ filter: 'a', pageSize: 9, pageToken: token }))).toBe('cursor');
    expect(openPageToken(schema, request({ filter: 'a' }))).toBeUndefined();
  });

  test.each(['', 'AAAA', '%%%', 'x'.repeat(900)])('is refused with another query or mutilated (%s)', (mutilated) => {
    const token = mutilated || sealPageToken(schema, request({ filter: 'a' }), 'cursor');
    const error = (() => {
      try {
        return openPageToken(schema, request({ filter: 'b', pageToken: token }));
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(reasonOf(error)).toBe('PAGE_TOKEN_INVALID');
  });
});
