import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { ItemSchema } from '@weft/gen/weft/inventory/v1/item_pb.js';
import type { ItemOrder } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
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

  test('trap 25: a GTIN of any length has a check digit', async () => {
    const gtins = ['6291041500213', '73513537', '614141000036', '10614141000415'];
    for (const [index, gtin] of gtins.entries()) {
      expect((await addItem(inventory, { sku: `GTIN-${index}`, gtin })).gtin).toBe(gtin);
      const wrong = `${gtin.slice(0, -1)}${(Number(gtin.at(-1)) + 1) % 10}`;
      const error = await addItem(inventory, { sku: 'GTIN-W', gtin: wrong }).catch((e: unknown) => e);
      expect(reasonOf(error)).toBe('GTIN_INVALID');
      expect(metadataOf(error)).toEqual({ gtin: wrong });
    }
    expect(await reasonFrom(addItem(inventory, { sku: 'GTIN-W', gtin: '00000000000001' }))).toBe('GTIN_INVALID');
    for (const gtin of ['1', '123456789', '00006291041500213', '629104150021x', ' 73513537']) {
      expect(await reasonFrom(addItem(inventory, { sku: 'GTIN-W', gtin }))).toBe('INVALID_FIELD');
    }
  });

  test('a GTIN is the same number in all of its forms', async () => {
    const forms = ['40170725', '000040170725', '0000040170725', '00000040170725'];
    for (const gtin of forms) {
      await addItem(inventory, { sku: 'FORM-1', gtin }).catch(() => {});
      await inventory.items.updateItem({
        requestId: requestId(),
        item: { sku: 'FORM-1', gtin },
        updateMask: { paths: ['gtin'] },
      });
      for (const other of forms) {
        expect(await reasonFrom(addItem(inventory, { sku: 'FORM-2', gtin: other }))).toBe('ITEM_ALREADY_EXISTS');
        const { items } = await inventory.items.listItems({ filter: `gtin=${other}` });
        expect(items.map(({ sku }) => sku)).toEqual(['FORM-1']);
      }
    }
    const { items } = await inventory.items.listItems({ filter: `sku=FORM-1 OR sku=TAKEN-1 gtin!=40170725` });
    expect(items.map(({ sku }) => sku)).toEqual(['TAKEN-1']);
    expect((await inventory.items.listItems({ filter: 'sku=FORM-1 gtin!=""' })).items).toHaveLength(1);
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

describe('bad input is refused with the field, and nothing is changed', () => {
  const withBody = (item: object) =>
    inventory.items.createItem({ requestId: requestId(), item: anItem({ sku: 'BAD-1', name: 'Bad', ...item }) });
  const fieldsOf = async (call: Promise<unknown>) => {
    const error = await call.catch((e: unknown) => e);
    expect(reasonOf(error)).toBe('INVALID_FIELD');
    return fieldViolationsOf(error).map(({ field }) => field);
  };

  test.each<[string, object]>([
    ['item.sku', { sku: '' }],
    ['item.sku', { sku: 'a'.repeat(65) }],
    ['item.sku', { sku: 'BAD\n' }],
    ['item.name', { name: '' }],
    ['item.name', { name: 'x'.repeat(201) }],
    ['item.name', { name: 'two\nlines' }],
    ['item.description', { description: 'x'.repeat(2_001) }],
    ['item.description', { description: 'a\0b' }],
    ['item.category', { category: 'a/b/c/d/e/f' }],
    ['item.weight_grams', { weightGrams: 1_000_001 }],
    ['item.weight_grams', { weightGrams: -2_147_483_648 }],
    ['item.dimensions', { dimensions: undefined }],
    ['item.dimensions.width_mm', { dimensions: { lengthMm: 1, widthMm: -1, heightMm: 1 } }],
    ['item.tax_category', { taxCategory: '' }],
    ['item.customs_code', { customsCode: '12345' }],
    ['item.origin_country_code', { originCountryCode: 'de' }],
    ['item.etag', { etag: 'x'.repeat(65) }],
  ])('%s, case %#', async (field, item) => {
    expect(await fieldsOf(withBody(item))).toEqual([field]);
    expect(await reasonFrom(inventory.items.getItem({ sku: 'BAD-1' }))).toBe('ITEM_NOT_FOUND');
  });

  test('requests without an item, a request_id or a mask, and with SKUs that are none', async () => {
    const { items } = inventory;
    expect(await fieldsOf(items.createItem({ requestId: requestId() }))).toEqual(['item']);
    expect(await fieldsOf(items.createItem({ item: anItem({ sku: 'BAD-1' }) }))).toEqual(['request_id']);
    expect(await fieldsOf(items.createItem({ requestId: 'mine', item: anItem({ sku: 'BAD-1' }) }))).toEqual([
      'request_id',
    ]);
    expect(await fieldsOf(items.updateItem({ requestId: requestId(), item: { sku: 'L-MUG' } }))).toEqual([
      'update_mask',
    ]);
    expect(await fieldsOf(items.updateItem({ requestId: requestId(), updateMask: { paths: ['name'] } }))).toEqual([
      'sku',
    ]);
    expect(await fieldsOf(items.deleteItem({ requestId: requestId(), sku: 'l-mug' }))).toEqual(['sku']);
    expect(await fieldsOf(items.undeleteItem({ requestId: requestId(), sku: '' }))).toEqual(['sku']);
    expect(await fieldsOf(items.getItem({ sku: "'" }))).toEqual(['sku']);
    expect(await fieldsOf(items.batchGetItems({}))).toEqual(['skus']);
    expect(await fieldsOf(items.batchGetItems({ skus: ['A', 'B', 'A'] }))).toEqual(['skus']);
    expect(await fieldsOf(items.batchGetItems({ skus: ['A', 'b'] }))).toEqual(['skus[1]']);
    const many = Array.from({ length: 201 }, (_, index) => `S-${index}`);
    expect(await fieldsOf(items.batchGetItems({ skus: many }))).toEqual(['skus']);
  });

  test('pages and filters out of their bounds', async () => {
    const { items } = inventory;
    expect(await fieldsOf(items.listItems({ pageSize: -1 }))).toEqual(['page_size']);
    expect(await fieldsOf(items.listItems({ pageSize: 201 }))).toEqual(['page_size']);
    expect(await fieldsOf(items.listItems({ order: 9 as ItemOrder }))).toEqual(['order']);
    expect(await fieldsOf(items.listItems({ filter: 'x'.repeat(501) }))).toEqual(['filter']);
    expect(await fieldsOf(items.listItems({ pageToken: 'x'.repeat(2_049) }))).toEqual(['page_token']);
  });

  test('what is unknown, of another state or stale', async () => {
    const { items } = inventory;
    const absent = { requestId: requestId(), sku: 'ABSENT' };
    const rename = (item: object) =>
      items.updateItem({ requestId: requestId(), item, updateMask: { paths: ['name'] } });
    expect(await reasonFrom(rename({ sku: 'ABSENT', name: 'x' }))).toBe('ITEM_NOT_FOUND');
    expect(await reasonFrom(items.deleteItem(absent))).toBe('ITEM_NOT_FOUND');
    expect(await reasonFrom(items.undeleteItem(absent))).toBe('ITEM_NOT_FOUND');
    const { etag } = await addItem(inventory, { sku: 'STALE-1' });
    await rename({ sku: 'STALE-1', name: 'newer', etag });
    const stale = { requestId: requestId(), sku: 'STALE-1', etag };
    expect(await reasonFrom(items.deleteItem(stale))).toBe('ETAG_MISMATCH');
    expect((await items.getItem({ sku: 'STALE-1' })).item?.deleteTime).toBeUndefined();
    await items.deleteItem({ requestId: requestId(), sku: 'STALE-1' });
    expect(await reasonFrom(rename({ sku: 'STALE-1', name: 'x' }))).toBe('ITEM_NOT_FOUND');
  });
});
