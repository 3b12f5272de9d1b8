/**
 * How far an import has come, and how one that broke off, or was refused in parts, goes on. What is imported is in import.test.ts.
 */

import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { purgeImports } from '../src/stock/import-progress.ts';
import { addItem, addLocation, addStock, levelAt, startInventory, type TestInventory } from './harness.ts';
import { type Chunk, importInto, row } from './importing.ts';
import { checkInvariants } from './invariants.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory();
  await addLocation(inventory, { locationId: 'north' });
  await addLocation(inventory, { locationId: 'south' });
});
afterAll(async () => {
  await checkInvariants(inventory.pool);
  await inventory.stop();
});

const importStock = (chunks: readonly Chunk[]) => importInto(inventory, chunks);

let skus = 0;
async function newItem(): Promise<string> {
  skus += 1;
  const sku = `I-${skus}`;
  await addItem(inventory, { sku });
  return sku;
}

describe('progress', () => {
  const progress = async (id: string, of = inventory.stock) => (await of.getStockImport({ requestId: id })).stockImport;

  test('tells how far an import has come, while it runs and afterwards', async () => {
    const sku = await newItem();
    const id = requestId();
    const seen: unknown[] = [];
    const look = async () => {
      const at = await progress(id);
      seen.push([at?.nextLine, at?.changedCount, at?.unchangedCount, at?.skippedCount, at?.errors.length]);
      expect(at?.completeTime).toBeUndefined();
    };
    async function* watched(): AsyncGenerator<Chunk> {
      yield { requestId: id, firstLine: 1n, rows: [row(sku, 10), row(sku, 0, 0, 'south')] };
      await expect.poll(() => reasonFrom(progress(id))).toBe(undefined);
      await look();
      yield { requestId: id, firstLine: 11n, rows: [row(sku, 11), row('I-NONE', 0)] };
      await expect.poll(async () => (await progress(id))?.nextLine).toBe(13n);
      await look();
      yield { requestId: id, firstLine: 13n, rows: [row(sku, 12)] };
    }
    const response = await inventory.stock.importStock(watched());
    expect(seen).toEqual([
      [3n, 1n, 1n, 0n, 0],
      [13n, 1n, 1n, 2n, 1],
    ]);
    const end = await progress(id);
    expect(end).toMatchObject({ requestId: id, nextLine: 14n, changedCount: 2n, unchangedCount: 1n, skippedCount: 2n });
    expect(end?.errors).toEqual(response.errors);
    expect(end?.completeTime).toBeDefined();
  });

  test('an import that broke off goes on where it is told, and does not look complete before', async () => {
    const sku = await newItem();
    const id = requestId();
    const rows = Array.from({ length: 6 }, (_, index) => ({
      requestId: id,
      firstLine: BigInt(index + 1),
      rows: [row(sku, index + 1)],
    }));
    async function* broken(): AsyncGenerator<Chunk> {
      yield* rows.slice(0, 3);
      await expect.poll(async () => (await progress(id).catch(() => undefined))?.nextLine).toBe(4n);
      throw new Error('the line went dead');
    }
    await failure(inventory.stock.importStock(broken()));
    const broke = await progress(id);
    expect(broke).toMatchObject({ nextLine: 4n, changedCount: 3n });
    expect(broke?.completeTime).toBeUndefined();
    await importStock(rows.filter(({ firstLine }) => firstLine >= (broke?.nextLine ?? 0n)));
    expect(await progress(id)).toMatchObject({ nextLine: 7n, changedCount: 6n });
    // Sent again whole, nothing is applied or counted twice.
    await importStock(rows);
    expect(await progress(id)).toMatchObject({ nextLine: 7n, changedCount: 6n, unchangedCount: 0n });
    expect((await progress(id))?.completeTime).toBeDefined();
    expect((await inventory.stock.listLedgerEntries({ sku })).ledgerEntries).toHaveLength(6);
  });

  test('a chunk that is mended is no longer counted as skipped, nor are its errors told', async () => {
    const sku = await newItem();
    const id = requestId();
    const wrong = (firstLine: bigint) => ({ requestId: id, firstLine, rows: [row('I-NONE', 1), row(sku, 1)] });
    await importStock([wrong(1n), wrong(3n)]);
    await importStock([wrong(1n), wrong(3n)]);
    expect(await progress(id)).toMatchObject({ skippedCount: 4n, errors: [{ line: 1n }, { line: 3n }] });
    await importStock([{ ...wrong(1n), rows: [row(sku, 1)] }]);
    expect(await progress(id)).toMatchObject({ skippedCount: 2n, changedCount: 1n, errors: [{ line: 3n }] });
  });

  test('sent again in other chunks, what was applied is not applied again', async () => {
    const [p, q] = [await newItem(), await newItem()];
    const id = requestId();
    const first = { requestId: id, firstLine: 1n, rows: [row(await newItem(), 1), row('I-NONE', 1)] };
    const second = { requestId: id, firstLine: 3n, rows: [row(p, 10), row(q, 10)] };
    await importStock([first, second]);
    await addStock(inventory, p, 'north', -3);
    const before = await progress(id);
    for (const [firstLine, rows] of [
      [1n, [...first.rows.slice(0, 1), row(q, 0), ...second.rows]],
      [2n, [row(q, 1), row(p, 10)]],
      [4n, [row(q, 10), row(p, 10)]],
      [3n, [row(p, 10)]],
    ] as const) {
      const error = await failure(importStock([{ requestId: id, firstLine, rows: [...rows] }]));
      const reason = firstLine === 3n ? 'REQUEST_ID_REUSED' : 'IMPORT_CHUNK_INVALID';
      expect([firstLine, reasonOf(error)]).toEqual([firstLine, reason]);
    }
    expect(await levelAt(inventory, p, 'north')).toMatchObject({ onHand: 7n });
    expect(await progress(id)).toEqual({ ...before, completeTime: before?.completeTime });
    // In the chunks that it came in, mended.
    await importStock([{ ...first, rows: first.rows.slice(0, 1) }, second]);
    expect(await progress(id)).toMatchObject({ changedCount: 3n, skippedCount: 0n, errors: [] });
    expect(await levelAt(inventory, p, 'north')).toMatchObject({ onHand: 7n });
  });

  test('refused chunks are forgotten for one that holds all of their lines', async () => {
    const skus = [await newItem(), await newItem()];
    const id = requestId();
    await importStock([1n, 2n].map((firstLine) => ({ requestId: id, firstLine, rows: [row('I-NONE', 1)] })));
    expect(await progress(id)).toMatchObject({ skippedCount: 2n });
    await importStock([{ requestId: id, firstLine: 1n, rows: skus.map((sku) => row(sku, 1)) }]);
    expect(await progress(id)).toMatchObject({ changedCount: 2n, skippedCount: 0n, errors: [] });
  });

  test('is told to who imports and to nobody else', async () => {
    const id = requestId();
    await importStock([{ requestId: id, firstLine: 1n, rows: [row(await newItem(), 1)] }]);
    const error = await failure(progress(id, inventory.as('pricing').stock));
    expect(metadataOf(error)).toEqual({ request_id: id });
    expect(await reasonFrom(progress(id, inventory.as('pricing').stock))).toBe('IMPORT_NOT_FOUND');
    expect(await reasonFrom(progress(requestId()))).toBe('IMPORT_NOT_FOUND');
    expect(await reasonFrom(progress('x'))).toBe('INVALID_FIELD');
  });

  test('of many errors the first 1,000 are kept', async () => {
    const id = requestId();
    const rows = Array.from({ length: 700 }, (_, index) => row(`I-NONE-${index}`, 1));
    await importStock([1n, 701n, 1_401n].map((firstLine) => ({ requestId: id, firstLine, rows })));
    const at = await progress(id);
    expect(at).toMatchObject({ skippedCount: 2_100n, nextLine: 2_101n });
    expect(at?.errors).toHaveLength(1_000);
    expect(at?.errors.at(-1)?.line).toBe(1_000n);
  });

  test('a chunk that is refused again counts once, also where there was no room to tell its errors', async () => {
    const sku = await newItem();
    const id = requestId();
    const rows = Array.from({ length: 600 }, (_, index) => row(`I-NONE-${index}`, 1));
    const chunks = [1n, 601n, 1_201n].map((firstLine) => ({ requestId: id, firstLine, rows }));
    await importStock(chunks);
    await importStock(chunks);
    expect(await progress(id)).toMatchObject({ skippedCount: 1_800n });
    // The first is mended, which makes room for errors of those that are refused from now on.
    await importStock([{ requestId: id, firstLine: 1n, rows: [row(sku, 1)] }, ...chunks.slice(1)]);
    const at = await progress(id);
    expect(at).toMatchObject({ skippedCount: 1_200n, changedCount: 1n });
    expect(at?.errors.map(({ line }) => line)).toEqual(
      Array.from({ length: 1_000 }, (_, index) => BigInt(601 + index)),
    );
  });

  test('old ones are forgotten', async () => {
    const [old, young] = [requestId(), requestId()];
    for (const id of [old, young]) {
      await importStock([{ requestId: id, firstLine: 1n, rows: [row(await newItem(), 1)] }]);
    }
    await inventory.pool.query(
      `UPDATE stock_imports SET update_time = now() - interval '49 hours' WHERE request_id = $1`,
      [old],
    );
    await purgeImports(inventory.pool);
    expect(await reasonFrom(progress(old))).toBe('IMPORT_NOT_FOUND');
    expect(await reasonFrom(progress(young))).toBe(undefined);
  });
});
