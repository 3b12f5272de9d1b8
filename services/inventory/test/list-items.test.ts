import { OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ItemOrder } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, startInventory, type TestInventory } from './harness.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory();
});
afterAll(() => inventory.stop());

describe('list', () => {
  const skusOf = async (filter: string, order = ItemOrder.UNSPECIFIED) =>
    (await inventory.items.listItems({ filter, order, pageSize: 200 })).items.map(({ sku }) => sku);

  beforeAll(async () => {
    const items = [
      {
        sku: 'L-MUG',
        name: 'Öl Mug',
        category: 'list/cups',
        weightGrams: 100,
        originCountryCode: 'DE',
        outOfStockPolicy: OutOfStockPolicy.BACKORDER,
        backorderLimit: 5n,
      },
      {
        sku: 'L-CUP',
        name: 'espresso cup',
        category: 'list/cups',
        weightGrams: 200,
        description: '100% stoneware',
        lotTracked: true,
      },
      {
        sku: 'L-PAN',
        name: 'Pan_28',
        category: 'list',
        weightGrams: 1_500,
        originCountryCode: 'FR',
        unitCode: 'KGM',
        customsCode: '732393',
      },
      { sku: 'L-BAG', name: 'Bag', category: 'listed', weightGrams: 50 },
      { sku: 'L-SET', name: 'Set', category: 'listed/sets', components: [{ sku: 'L-MUG', quantity: 2n }] },
    ];
    for (const item of items) {
      await addItem(inventory, item);
    }
  });

  test.each([
    ['category:list', ['L-CUP', 'L-MUG', 'L-PAN']],
    ['category=list', ['L-PAN']],
    ['category:LIST/cups', ['L-CUP', 'L-MUG']],
    ['category:lis', []],
    ['öl category:list', ['L-MUG']],
    ['ESPRESSO', ['L-CUP']],
    ['name:pan_', ['L-PAN']],
    ['name:p_n category:list', []],
    ['"100%" category:list', ['L-CUP']],
    ['l-mug', ['L-MUG']],
    ['category:list weight_grams < 200', ['L-MUG']],
    ['category:list AND weight_grams >= 200', ['L-CUP', 'L-PAN']],
    ['category:list origin_country_code != DE', ['L-CUP', 'L-PAN']],
    [`name="'; DROP TABLE items; --"`, []],
    ['category:list (weight_grams < 150 OR weight_grams > 1000)', ['L-MUG', 'L-PAN']],
    ['category:list OR sku=L-BAG weight_grams < 150', ['L-BAG', 'L-MUG']],
    ['category:list NOT category:list/cups', ['L-PAN']],
    ['category:list -origin_country_code=DE -weight_grams>1000', ['L-CUP']],
    ['category:list NOT (origin_country_code=DE OR "100%")', ['L-PAN']],
    ['category:list (-name:mug name:c)', ['L-CUP']],
    ['category:list unit_code=KGM customs_code=732393', ['L-PAN']],
    ['category:list unit_code!=KGM', ['L-CUP', 'L-MUG']],
    ['category:list lot_tracked=true', ['L-CUP']],
    ['category:list lot_tracked!=true kit=false', ['L-MUG', 'L-PAN']],
    ['category:list out_of_stock_policy=BACKORDER', ['L-MUG']],
    ['category:list out_of_stock_policy!=OUT_OF_STOCK_POLICY_BACKORDER', ['L-CUP', 'L-PAN']],
    ['kit=true components:L-MUG', ['L-SET']],
    ['components:L-SET', []],
    [
      'category:list create_time > 2026-01-01T00:00:00Z update_time<9999-12-31T23:59:59-14:00',
      ['L-CUP', 'L-MUG', 'L-PAN'],
    ],
    ['category:list (create_time<"2026-01-01T01:00:00+01:00" OR update_time>=9999-01-01T00:00:00Z)', []],
    ['category:list deleted=true', []],
    ['category:list NOT deleted=true weight_grams=100', ['L-MUG']],
  ])('%s', async (filter, skus) => {
    expect(await skusOf(filter)).toEqual(skus);
  });

  test('a filter that cannot be read says where', async () => {
    const error = await skusOf('category:list colour=red').catch((e: unknown) => e);
    expect(reasonOf(error)).toBe('FILTER_INVALID');
    expect(metadataOf(error)).toEqual({ position: '15' });
    expect(String(error)).toContain('colour');
  });

  test('orders by name without regard to case, by category, by change', async () => {
    expect(await skusOf('category:list', ItemOrder.NAME)).toEqual(['L-CUP', 'L-PAN', 'L-MUG']);
    expect(await skusOf('category:list', ItemOrder.CATEGORY)).toEqual(['L-PAN', 'L-CUP', 'L-MUG']);
    await inventory.items.updateItem({
      requestId: requestId(),
      item: { sku: 'L-CUP', name: 'espresso cup 2' },
      updateMask: { paths: ['name'] },
    });
    expect((await skusOf('category:list', ItemOrder.NEWEST))[0]).toBe('L-CUP');
  });

  test.each([ItemOrder.UNSPECIFIED, ItemOrder.NAME, ItemOrder.CATEGORY, ItemOrder.NEWEST])(
    'pages in order %s meet every item once, though items come and go meanwhile',
    async (order) => {
      const category = `pages-${order}`;
      const skus = Array.from({ length: 7 }, (_, index) => `P${order}-${index}`);
      for (const [index, sku] of skus.entries()) {
        await addItem(inventory, { sku, category, name: `${'x'.repeat(190)}${index % 3}` });
      }
      const query = { filter: `category=${category}`, order, pageSize: 2 };
      const seen: string[] = [];
      let pageToken = '';
      do {
        const page = await inventory.items.listItems({ ...query, pageToken });
        expect(page.items.length).toBeLessThanOrEqual(2);
        seen.push(...page.items.map(({ sku }) => sku));
        pageToken = page.nextPageToken;
        if (seen.length === 2) {
          await inventory.items.deleteItem({ requestId: requestId(), sku: seen[0] ?? '' });
        }
      } while (pageToken !== '');
      expect([...seen].sort()).toEqual(skus);
    },
  );

  test('a page token belongs to its query', async () => {
    const { nextPageToken } = await inventory.items.listItems({ filter: 'category:list', pageSize: 1 });
    for (const other of [
      { filter: 'category:listed', pageToken: nextPageToken },
      { filter: 'category:list', order: ItemOrder.NAME, pageToken: nextPageToken },
      { filter: 'category:list', pageToken: 'nonsense' },
      { filter: 'category:list', pageToken: `${nextPageToken}AAAA` },
      { filter: 'category:list', pageToken: nextPageToken, showDeleted: true },
      { filter: 'category:list OR deleted=true', pageToken: nextPageToken },
    ]) {
      expect(await reasonFrom(inventory.items.listItems(other))).toBe('PAGE_TOKEN_INVALID');
    }
  });
});

test('a list whose caller has left does not keep a connection of the database', async () => {
  const client = await inventory.pool.connect();
  await client.query('BEGIN');
  await client.query('LOCK TABLE items IN ACCESS EXCLUSIVE MODE');
  try {
    const calls = Array.from({ length: 3 }, () => inventory.items.listItems({ filter: 'a OR b' }, { timeoutMs: 300 }));
    await Promise.allSettled(calls);
    // Waiting for the lock itself would end after 5 seconds only.
    await expect
      .poll(
        async () => {
          const { rows } = await inventory.pool.query(
            // Of the lists alone: there is background work too that reads items.
            `SELECT FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%] AS key%' AND pid <> pg_backend_pid()`,
          );
          return rows.length;
        },
        { timeout: 3_000 },
      )
      .toBe(0);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
});
