/**
 * What the streams of stock tell besides levels: that one became low, and of kits what their parts allow; and to whom.
 */

import { create } from '@bufbuild/protobuf';
import { type LowStock, type StockLevel, StockLevelSchema } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, startInventory, type TestInventory } from './harness.ts';
import { isBookmark, Reader, untilSettled } from './watch-reader.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory();
  await addLocation(inventory, { locationId: 'hamburg' });
  await addLocation(inventory, { locationId: 'austin' });
});
afterAll(() => inventory.stop());

const watch = async (request: { skus?: string[]; locationId?: string; resumeToken?: string }) => {
  const reader = new Reader((options) => inventory.stock.watchStockLevels(request, options));
  return { reader, listed: await reader.until(isBookmark) };
};
type Reading = { case?: string | undefined; value?: unknown };
/** `SKU location onHand` of a level, and `low SKU location available/threshold` of one that became low. */
const textOf = ({ case: kind, value }: Reading) => {
  if (kind === 'lowStock') {
    const low = value as LowStock;
    return `low ${low.sku} ${low.locationId} ${low.available}/${low.lowStockThreshold}`;
  }
  const level = value as StockLevel;
  return `${level.sku} ${level.locationId} ${level.onHand}`;
};

describe('a stream of some items', () => {
  test('lists and tells those, at every location or at one', async () => {
    for (const sku of ['S-1', 'S-2', 'S-3']) {
      await addItem(inventory, { sku });
      await addStock(inventory, sku, 'hamburg', 5);
      await addStock(inventory, sku, 'austin', 7);
    }
    await untilSettled(inventory);
    const everywhere = await watch({ skus: ['S-3', 'S-1', 'S-NONE'] });
    const inAustin = await watch({ skus: ['S-3', 'S-1'], locationId: 'austin' });
    expect(everywhere.listed.slice(0, -1).map(textOf)).toEqual([
      'S-1 austin 7',
      'S-1 hamburg 5',
      'S-3 austin 7',
      'S-3 hamburg 5',
    ]);
    expect(inAustin.listed.slice(0, -1).map(textOf)).toEqual(['S-1 austin 7', 'S-3 austin 7']);
    await addStock(inventory, 'S-2', 'austin', 1);
    await addStock(inventory, 'S-1', 'hamburg', 1);
    await addStock(inventory, 'S-3', 'austin', 1);
    expect([await everywhere.reader.next(), await everywhere.reader.next()].map(textOf)).toEqual([
      'S-1 hamburg 6',
      'S-3 austin 8',
    ]);
    expect(textOf(await inAustin.reader.next())).toBe('S-3 austin 8');
    everywhere.reader.close();
    inAustin.reader.close();
  });

  test('lists many items in parts, and goes on from a token within', async () => {
    const skus = Array.from({ length: 50 }, (_, index) => `M-${10 + index}`);
    await Promise.all(skus.map((sku) => addItem(inventory, { sku })));
    await Promise.all(skus.map((sku) => addStock(inventory, sku, 'hamburg', 1)));
    await untilSettled(inventory);
    const first = new Reader((options) => inventory.stock.watchStockLevels({ skus }, options));
    const seen: string[] = [];
    for (let i = 0; i < 25; i += 1) seen.push(textOf(await first.next()));
    first.close();
    const { listed, reader } = await watch({ skus, resumeToken: first.resumeToken });
    reader.close();
    const rest = listed.slice(0, -1).map(textOf);
    expect(rest.length).toBeLessThan(skus.length);
    expect([...new Set([...seen, ...rest])]).toEqual(skus.map((sku) => `${sku} hamburg 1`));
  });
});

test('a level that is gone is told as one of nothing, while it is watched and to who resumes', async () => {
  const set = (sku: string, locationId: string, fields: object) =>
    inventory.stock.setStock({ requestId: requestId(), sku, locationId, ...fields });
  await addLocation(inventory, { locationId: 'gone' });
  for (const sku of ['G-1', 'G-2', 'G-PART']) await addItem(inventory, { sku });
  await set('G-1', 'gone', { safety: 5n });
  await set('G-2', 'austin', { lowStockThreshold: 3n });
  await untilSettled(inventory);
  const { reader, listed } = await watch({ skus: ['G-1', 'G-2'] });
  expect(listed.slice(0, -1)).toMatchObject([
    { value: { sku: 'G-1', locationId: 'gone', safety: 5n, available: -5n } },
    { value: { sku: 'G-2', locationId: 'austin', lowStockThreshold: 3n } },
  ]);
  const { resumeToken } = reader;
  await inventory.locations.deleteLocation({ requestId: requestId(), locationId: 'gone' });
  await inventory.items.updateItem({
    requestId: requestId(),
    item: { sku: 'G-2', components: [{ sku: 'G-PART', quantity: 1n }] },
    updateMask: { paths: ['components'] },
  });
  const gone = [
    create(StockLevelSchema, { sku: 'G-1', locationId: 'gone' }),
    create(StockLevelSchema, { sku: 'G-2', locationId: 'austin' }),
  ].map((value) => ({ case: 'changed', value }));
  expect([await reader.next(), await reader.next()]).toEqual(gone);
  reader.close();
  const resumed = await watch({ skus: ['G-1', 'G-2'], resumeToken });
  expect(resumed.listed.slice(0, -1)).toEqual(gone);
  resumed.reader.close();
});

describe('low stock', () => {
  test('is told once for each crossing, beside the level, to all whom the level concerns and to nobody else', async () => {
    await addItem(inventory, { sku: 'L-1' });
    await addStock(inventory, 'L-1', 'hamburg', 10);
    await inventory.pool.query("UPDATE stock SET low_stock_threshold = 5 WHERE sku = 'L-1'");
    await untilSettled(inventory);
    const all = await watch({});
    const own = await watch({ skus: ['L-1'] });
    const there = await watch({ locationId: 'hamburg' });
    const elsewhere = await watch({ locationId: 'austin' });
    const availability = new Reader((options) => inventory.availability.watchAvailability({ skus: ['L-1'] }, options));
    await availability.until(isBookmark);

    // Falls to the threshold, below it, above it, and again to it.
    for (const delta of [-5, -1, 3, -2]) await addStock(inventory, 'L-1', 'hamburg', delta);
    const expected = ['low L-1 hamburg 5/5', 'low L-1 hamburg 5/5'];
    for (const { reader } of [all, own, there]) {
      const events = await reader.until((event) => event.case === 'changed' && textOf(event) === 'L-1 hamburg 5');
      // The last change is that of the second crossing, unless the first was told as it was then.
      while (events.filter(({ case: kind }) => kind === 'lowStock').length < 2) events.push(await reader.next());
      expect(events.filter(({ case: kind }) => kind === 'lowStock').map(textOf)).toEqual(expected);
      reader.close();
    }
    await addStock(inventory, 'L-1', 'hamburg', 4);
    const told = await availability.until((event) => Object(event.value).sellableQuantity === 9);
    expect(told.map(({ case: kind }) => kind)).toEqual(told.map(() => 'changed'));
    availability.close();
    await addStock(inventory, 'L-1', 'austin', 1);
    expect(textOf(await elsewhere.reader.next())).toBe('L-1 austin 1');
    elsewhere.reader.close();
  });

  test('is not lost while nobody watches: each crossing is told to who resumes, in order', async () => {
    await addItem(inventory, { sku: 'L-2' });
    await addStock(inventory, 'L-2', 'hamburg', 10);
    await inventory.pool.query("UPDATE stock SET low_stock_threshold = 5 WHERE sku = 'L-2'");
    await untilSettled(inventory);
    const { reader } = await watch({ skus: ['L-2'] });
    reader.close();
    for (const delta of [-5, 2, -3, 4, -6]) await addStock(inventory, 'L-2', 'hamburg', delta);
    await untilSettled(inventory);
    const { listed, reader: resumed } = await watch({ skus: ['L-2'], resumeToken: reader.resumeToken });
    resumed.close();
    expect(listed.slice(0, -1).map(textOf)).toEqual([
      'low L-2 hamburg 5/5',
      'low L-2 hamburg 4/5',
      'L-2 hamburg 2',
      'low L-2 hamburg 2/5',
    ]);
  });
});

describe('the availability of a kit', () => {
  test('is told when that of a part changes, and that of a part of a part', async () => {
    for (const sku of ['K-PART', 'K-BOLT']) {
      await addItem(inventory, { sku });
      await addStock(inventory, sku, 'hamburg', 12);
    }
    await addItem(inventory, { sku: 'K-INNER', components: [{ sku: 'K-BOLT', quantity: 2n }] });
    await addItem(inventory, {
      sku: 'K-OUTER',
      components: [
        { sku: 'K-PART', quantity: 1n },
        { sku: 'K-INNER', quantity: 1n },
      ],
    });
    const reader = new Reader((options) => inventory.availability.watchAvailability({ skus: ['K-OUTER'] }, options));
    expect(await reader.next()).toMatchObject({ value: { sku: 'K-OUTER', sellableQuantity: 6 } });
    await reader.until(isBookmark);
    await addStock(inventory, 'K-BOLT', 'hamburg', -4);
    expect(await reader.next()).toMatchObject({ value: { sellableQuantity: 4 } });
    await addStock(inventory, 'K-PART', 'hamburg', -9);
    expect(await reader.next()).toMatchObject({ value: { sellableQuantity: 3 } });
    await inventory.reservations.createReservation({
      requestId: requestId(),
      lines: [{ sku: 'K-OUTER', quantity: 2n }],
      ttl: { seconds: 600n },
    });
    expect(await reader.next()).toMatchObject({ value: { sellableQuantity: 1 } });
    reader.close();
  });
});
