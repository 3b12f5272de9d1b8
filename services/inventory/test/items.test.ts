import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { ItemSchema } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ItemOrder } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, anItem, startInventory, type TestInventory } from './harness.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory();
});
afterAll(() => inventory.stop());

describe('create and get', () => {
  test('gives the item back as it was sent, with what the server sets', async () => {
    const sent = anItem({ sku: 'CREATE-1', name: 'Mug “blue” 🍵', description: 'Two\nlines', gtin: '4006381333931' });
    const { item: created } = await inventory.items.createItem({
      requestId: requestId(),
      item: { ...sent, etag: 'mine', createTime: timestampFromMs(1_000) },
    });
    expect(created).toMatchObject({ sku: 'CREATE-1', name: 'Mug “blue” 🍵', gtin: '4006381333931', weightGrams: 300 });
    expect(created?.etag).not.toBe('mine');
    expect(Math.abs(Number(created?.createTime?.seconds) - Date.now() / 1_000)).toBeLessThan(60);
    expect(created?.deleteTime).toBeUndefined();
    expect((await inventory.items.getItem({ sku: 'CREATE-1' })).item).toEqual(created);
  });

  test('refuses a taken SKU and a taken GTIN', async () => {
    await addItem(inventory, { sku: 'TAKEN-1', gtin: '4012345678901' });
    expect(await reasonFrom(addItem(inventory, { sku: 'TAKEN-1' }))).toBe('ITEM_ALREADY_EXISTS');
    expect(await reasonFrom(addItem(inventory, { sku: 'TAKEN-2', gtin: '4012345678901' }))).toBe('ITEM_ALREADY_EXISTS');
    expect(await reasonFrom(inventory.items.getItem({ sku: 'TAKEN-2' }))).toBe('ITEM_NOT_FOUND');
  });

  test('trap 25: a GTIN has a check digit', async () => {
    await addItem(inventory, { sku: 'GTIN-1', gtin: '6291041500213' });
    for (const gtin of ['6291041500214', '00000000000001']) {
      expect(await reasonFrom(addItem(inventory, { sku: 'GTIN-2', gtin }))).toBe('GTIN_INVALID');
    }
  });

  test('items without a GTIN do not get in one another’s way', async () => {
    await addItem(inventory, { sku: 'NO-GTIN-1' });
    await addItem(inventory, { sku: 'NO-GTIN-2' });
  });

  test('holds the fields to their bounds and says which are out', async () => {
    const error = await addItem(inventory, { sku: 'BOUND-1', name: 'a\0b', weightGrams: 0 }).catch((e: unknown) => e);
    expect(reasonOf(error)).toBe('INVALID_FIELD');
    expect(fieldViolationsOf(error).map(({ field }) => field)).toEqual(['item.name', 'item.weight_grams']);
  });

  test('an unknown SKU is told with the SKU', async () => {
    const error = await inventory.items.getItem({ sku: 'NOWHERE' }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: Code.NotFound });
    expect(reasonOf(error)).toBe('ITEM_NOT_FOUND');
    expect(metadataOf(error)).toEqual({ sku: 'NOWHERE' });
  });
});

describe('trap 7: double submit', () => {
  test('the same request has one effect and the same bytes, also when both come at once', async () => {
    const request = { requestId: requestId(), item: anItem({ sku: 'ONCE-1' }) };
    const answers = await Promise.all(Array.from({ length: 8 }, () => inventory.items.createItem(request)));
    const bytes = new Set(
      answers.map(({ item }) => Buffer.from(toBinary(ItemSchema, item ?? create(ItemSchema))).toString('hex')),
    );
    expect(bytes.size).toBe(1);
  });

  test('the same key with another body is an error', async () => {
    const id = requestId();
    await inventory.items.createItem({ requestId: id, item: anItem({ sku: 'ONCE-2' }) });
    const again = inventory.items.createItem({ requestId: id, item: anItem({ sku: 'ONCE-3' }) });
    expect(await reasonFrom(again)).toBe('REQUEST_ID_REUSED');
  });

  test('a request that failed may be sent again with its key', async () => {
    const id = requestId();
    const bad = { requestId: id, item: anItem({ sku: 'ONCE-4', gtin: '4006381333930' }) };
    expect(await reasonFrom(inventory.items.createItem(bad))).toBe('GTIN_INVALID');
    await inventory.items.createItem({ requestId: id, item: anItem({ sku: 'ONCE-4' }) });
  });

  test('keys of different callers are different keys', async () => {
    const id = requestId();
    await inventory.items.createItem({ requestId: id, item: anItem({ sku: 'ONCE-5' }) });
    await inventory.as('pricing').items.createItem({ requestId: id, item: anItem({ sku: 'ONCE-6' }) });
  });
});

describe('batch get', () => {
  test('answers in the order asked, and fails or leaves out what is missing', async () => {
    await addItem(inventory, { sku: 'BATCH-1' });
    await addItem(inventory, { sku: 'BATCH-2' });
    const skus = ['BATCH-2', 'BATCH-0', 'BATCH-1'];
    expect(await reasonFrom(inventory.items.batchGetItems({ skus }))).toBe('ITEM_NOT_FOUND');
    const { items } = await inventory.items.batchGetItems({ skus, allowMissing: true });
    expect(items.map(({ sku }) => sku)).toEqual(['BATCH-2', 'BATCH-1']);
  });
});

describe('update', () => {
  test('changes what the mask names and nothing else', async () => {
    const before = await addItem(inventory, { sku: 'UPDATE-1', description: 'kept' });
    const { item } = await inventory.items.updateItem({
      requestId: requestId(),
      item: { sku: 'UPDATE-1', name: 'New name', dimensions: { widthMm: 95 }, etag: before.etag },
      updateMask: { paths: ['name', 'dimensions.width_mm'] },
    });
    expect(item).toMatchObject({
      name: 'New name',
      description: 'kept',
      dimensions: { lengthMm: 120, widthMm: 95, heightMm: 80 },
    });
    expect(item?.etag).not.toBe(before.etag);
    expect(item?.createTime).toEqual(before.createTime);
    expect((await inventory.items.getItem({ sku: 'UPDATE-1' })).item).toEqual(item);
  });

  test('an old etag is refused', async () => {
    const { etag } = await addItem(inventory, { sku: 'UPDATE-2' });
    const update = (name: string) =>
      inventory.items.updateItem({
        requestId: requestId(),
        item: { sku: 'UPDATE-2', name, etag },
        updateMask: { paths: ['name'] },
      });
    const outcomes = await Promise.allSettled([update('A'), update('B'), update('C')]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        expect(reasonOf(outcome.reason)).toBe('ETAG_MISMATCH');
        expect(ConnectError.from(outcome.reason).code).toBe(Code.Aborted);
      }
    }
  });

  test.each([[['colour']], [['etag']], [['create_time']], [['dimensions.depth']], [['name.first']], [[]], [['']]])(
    'the mask %j is refused',
    async (paths) => {
      await addItem(inventory, { sku: 'UPDATE-3' }).catch(() => {});
      const update = inventory.items.updateItem({
        requestId: requestId(),
        item: { sku: 'UPDATE-3' },
        updateMask: { paths },
      });
      expect(await reasonFrom(update)).toBe('UPDATE_MASK_INVALID');
    },
  );

  test('the item that results is held to the bounds of an item', async () => {
    await addItem(inventory, { sku: 'UPDATE-4' });
    const update = inventory.items.updateItem({
      requestId: requestId(),
      item: { sku: 'UPDATE-4', weightGrams: -1 },
      updateMask: { paths: ['weight_grams', 'dimensions'] },
    });
    const error = await update.catch((e: unknown) => e);
    expect(reasonOf(error)).toBe('INVALID_FIELD');
    expect(fieldViolationsOf(error).map(({ field }) => field)).toEqual(['item.weight_grams', 'item.dimensions']);
  });

  test('* replaces all that can be set', async () => {
    await addItem(inventory, { sku: 'UPDATE-5', description: 'gone soon' });
    const { item } = await inventory.items.updateItem({
      requestId: requestId(),
      item: anItem({ sku: 'UPDATE-5', name: 'Whole' }),
      updateMask: { paths: ['*'] },
    });
    expect(item).toMatchObject({ sku: 'UPDATE-5', name: 'Whole', description: '' });
  });

  test('a SKU that is none is a wrong field, not a failure of the database', async () => {
    for (const sku of ['', 'a\0b', 'lower']) {
      const update = inventory.items.updateItem({
        requestId: requestId(),
        item: { sku },
        updateMask: { paths: ['name'] },
      });
      expect(await reasonFrom(update)).toBe('INVALID_FIELD');
    }
  });
});

describe('delete and undelete', () => {
  test('a deleted item is told by get, left out by lists, and comes back', async () => {
    await addItem(inventory, { sku: 'DELETE-1', gtin: '96385074' });
    const { item: deleted } = await inventory.items.deleteItem({ requestId: requestId(), sku: 'DELETE-1' });
    expect(deleted?.deleteTime).toBeDefined();
    expect((await inventory.items.getItem({ sku: 'DELETE-1' })).item).toEqual(deleted);
    const listed = async (showDeleted: boolean) =>
      (await inventory.items.listItems({ filter: 'sku=DELETE-1', showDeleted })).items.length;
    expect([await listed(false), await listed(true)]).toEqual([0, 1]);
    const again = inventory.items.deleteItem({ requestId: requestId(), sku: 'DELETE-1' });
    expect(await reasonFrom(again)).toBe('ITEM_NOT_FOUND');

    const { item } = await inventory.items.undeleteItem({ requestId: requestId(), sku: 'DELETE-1' });
    expect(item?.deleteTime).toBeUndefined();
    const twice = inventory.items.undeleteItem({ requestId: requestId(), sku: 'DELETE-1' });
    expect(await reasonFrom(twice)).toBe('ITEM_NOT_DELETED');
  });

  test('a deleted item keeps its SKU and lets go of its GTIN', async () => {
    await addItem(inventory, { sku: 'DELETE-2', gtin: '12345670' });
    await inventory.items.deleteItem({ requestId: requestId(), sku: 'DELETE-2' });
    expect(await reasonFrom(addItem(inventory, { sku: 'DELETE-2' }))).toBe('ITEM_ALREADY_EXISTS');
    await addItem(inventory, { sku: 'DELETE-3', gtin: '12345670' });
    const undelete = inventory.items.undeleteItem({ requestId: requestId(), sku: 'DELETE-2' });
    expect(await reasonFrom(undelete)).toBe('ITEM_ALREADY_EXISTS');
  });

  test('is refused while units are reserved, and nothing can be reserved afterwards', async () => {
    await addItem(inventory, { sku: 'DELETE-4' });
    await addLocation(inventory, { locationId: 'delete-4' });
    await addStock(inventory, 'DELETE-4', 'delete-4', 5);
    const reserve = () =>
      inventory.reservations.createReservation({
        requestId: requestId(),
        lines: [{ sku: 'DELETE-4', quantity: 2n }],
        ttl: { seconds: 60n },
      });
    const { reservation } = await reserve();
    const remove = () => inventory.items.deleteItem({ requestId: requestId(), sku: 'DELETE-4' });
    const error = await remove().catch((e: unknown) => e);
    expect(reasonOf(error)).toBe('ITEM_RESERVED');
    expect(metadataOf(error)).toEqual({ sku: 'DELETE-4', reserved: '2' });
    await inventory.reservations.releaseReservation({
      requestId: requestId(),
      reservationId: reservation?.reservationId ?? '',
    });
    await remove();
    expect(await reasonFrom(reserve())).toBe('ITEM_NOT_FOUND');
  });
});

describe('list', () => {
  const skusOf = async (filter: string, order = ItemOrder.UNSPECIFIED) =>
    (await inventory.items.listItems({ filter, order, pageSize: 200 })).items.map(({ sku }) => sku);

  beforeAll(async () => {
    const items = [
      { sku: 'L-MUG', name: 'Öl Mug', category: 'list/cups', weightGrams: 100, originCountryCode: 'DE' },
      { sku: 'L-CUP', name: 'espresso cup', category: 'list/cups', weightGrams: 200, description: '100% stoneware' },
      { sku: 'L-PAN', name: 'Pan_28', category: 'list', weightGrams: 1_500, originCountryCode: 'FR' },
      { sku: 'L-BAG', name: 'Bag', category: 'listed', weightGrams: 50 },
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
    ]) {
      expect(await reasonFrom(inventory.items.listItems(other))).toBe('PAGE_TOKEN_INVALID');
    }
  });
});
