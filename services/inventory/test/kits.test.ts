// Kits and stock policies as items have them: what may be composed, what excludes each other, and what nobody can break by being quick.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { type ItemSchema, OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, anItem, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

const { DENY, BACKORDER, PREORDER, UNSPECIFIED } = OutOfStockPolicy;

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory();
  for (const sku of ['CUP', 'PLATE', 'SPOON', 'FORK']) {
    await addItem(inventory, { sku });
  }
  await addLocation(inventory, { locationId: 'kits-1' });
});
afterEach(() => checkInvariants(inventory.pool));
afterAll(() => inventory.stop());

/** Components, one unit of each unless a quantity follows the SKU: `CUP*2`. */
const of = (...parts: string[]) =>
  parts.map((part) => {
    const [sku = '', quantity = '1'] = part.split('*');
    return { sku, quantity: BigInt(quantity) };
  });

const addKit = (sku: string, ...parts: string[]) => addItem(inventory, { sku, components: of(...parts) });

const update = async (item: Extract<MessageInitShape<typeof ItemSchema>, { $typeName?: never }>, ...paths: string[]) =>
  (await inventory.items.updateItem({ requestId: requestId(), item, updateMask: { paths } })).item;

const compose = (sku: string, ...parts: string[]) => update({ sku, components: of(...parts) }, 'components');

const get = async (sku: string) => (await inventory.items.getItem({ sku })).item;

const remove = (sku: string) => inventory.items.deleteItem({ requestId: requestId(), sku });
const bringBack = (sku: string) => inventory.items.undeleteItem({ requestId: requestId(), sku });

const compositionOf = async (sku: string) =>
  (await get(sku))?.components.map((component) => `${component.sku}*${component.quantity}`);

describe('a kit', () => {
  test('is read as it was sent, in its order, by every way of reading', async () => {
    const kit = await addKit('SET-1', 'PLATE*2', 'CUP*1000', 'FORK');
    expect(kit.components).toMatchObject([
      { sku: 'PLATE', quantity: 2n },
      { sku: 'CUP', quantity: 1_000n },
      { sku: 'FORK', quantity: 1n },
    ]);
    expect(kit.outOfStockPolicy).toBe(DENY);
    expect(await get('SET-1')).toEqual(kit);
    const { items } = await inventory.items.batchGetItems({ skus: ['CUP', 'SET-1'] });
    expect(items[1]).toEqual(kit);
    expect(items[0]?.components).toEqual([]);
    expect((await inventory.items.listItems({ filter: 'sku=SET-1' })).items).toEqual([kit]);
    for await (const { event } of inventory.items.watchItems({})) {
      if (event.case === 'changed' && event.value.sku === 'SET-1') {
        expect(event.value).toEqual(kit);
        break;
      }
      expect(event.case).not.toBe('bookmark');
    }
  });

  test('is recomposed as a whole, keeps its components when others change, and ends being one', async () => {
    const { etag } = await addKit('SET-2', 'CUP', 'PLATE');
    const recomposed = await compose('SET-2', 'SPOON*3', 'CUP');
    expect(recomposed?.etag).not.toBe(etag);
    expect(await compositionOf('SET-2')).toEqual(['SPOON*3', 'CUP*1']);
    await update({ sku: 'SET-2', name: 'Other' }, 'name');
    expect(await compositionOf('SET-2')).toEqual(['SPOON*3', 'CUP*1']);
    const plain = await compose('SET-2');
    expect(await get('SET-2')).toEqual(plain);
    expect(await compositionOf('SET-2')).toEqual([]);
    await addStock(inventory, 'SET-2', 'kits-1', 5);
  });

  test('cannot be changed by a mask that leads into its components', async () => {
    await addKit('SET-3', 'CUP');
    const change = update({ sku: 'SET-3', components: of('FORK') }, 'components.sku');
    expect(await reasonFrom(change)).toBe('UPDATE_MASK_INVALID');
    expect(await compositionOf('SET-3')).toEqual(['CUP*1']);
  });

  test.each<[string, string[], number]>([
    ['NOWHERE', ['CUP', 'NOWHERE'], 1],
    ['CUP', ['CUP', 'CUP*2'], 1],
    ['SET-4', ['SET-4'], 0],
  ])('cannot have %s in %j', async (component, parts, index) => {
    await addItem(inventory, { sku: 'SET-4' }).catch(() => {});
    const fresh = component === 'SET-4' ? 'SET-4' : 'SET-5';
    for (const attempt of [() => addKit(fresh, ...parts), () => compose('SET-4', ...parts)]) {
      const error = await failure(attempt());
      expect(reasonOf(error)).toBe('KIT_INVALID');
      expect(metadataOf(error).component).toBe(component);
      expect(fieldViolationsOf(error)[0]?.field).toBe(`item.components[${index}].sku`);
    }
    expect(await compositionOf('SET-4')).toEqual([]);
    expect(await reasonFrom(get('SET-5'))).toBe('ITEM_NOT_FOUND');
  });

  test.each([0n, -1n, 1_001n, 9_223_372_036_854_775_807n])('cannot have %s units of a component', async (quantity) => {
    const error = await failure(addItem(inventory, { sku: 'SET-6', components: [{ sku: 'CUP', quantity }] }));
    expect(reasonOf(error)).toBe('INVALID_FIELD');
    expect(fieldViolationsOf(error)[0]?.field).toBe('item.components[0].quantity');
  });

  test('cannot have more than 20 components', async () => {
    const parts = Array.from({ length: 21 }, (_, index) => `NONE-${index}`);
    expect(await reasonFrom(addKit('SET-7', ...parts))).toBe('INVALID_FIELD');
  });
});

describe('kits nest one level', () => {
  test('down: a kit of kits is one, a kit of such is none', async () => {
    await addKit('DOWN-1', 'CUP*2');
    await addKit('DOWN-2', 'DOWN-1*3', 'PLATE');
    expect(await reasonFrom(addKit('DOWN-3', 'DOWN-2'))).toBe('KIT_INVALID');
    await addItem(inventory, { sku: 'DOWN-4' });
    expect(await reasonFrom(compose('DOWN-4', 'FORK', 'DOWN-2'))).toBe('KIT_INVALID');
  });

  test('up: a component of a kit can become one, a component of a component cannot', async () => {
    await addItem(inventory, { sku: 'UP-1' });
    await addItem(inventory, { sku: 'UP-5' });
    await addKit('UP-2', 'UP-1');
    await compose('UP-1', 'CUP');
    expect(await compositionOf('UP-1')).toEqual(['CUP*1']);
    await compose('UP-1');
    await addKit('UP-3', 'UP-2');
    expect(await reasonFrom(compose('UP-1', 'CUP'))).toBe('KIT_INVALID');
    await addKit('UP-4', 'UP-5');
    const error = await failure(compose('UP-2', 'UP-4'));
    expect(reasonOf(error)).toBe('KIT_INVALID');
    expect(metadataOf(error)).toEqual({ sku: 'UP-2', kit: 'UP-3' });
  });

  test('no circle closes, however long', async () => {
    await addItem(inventory, { sku: 'RING-1' });
    await addKit('RING-2', 'RING-1');
    expect(await reasonFrom(compose('RING-1', 'RING-2'))).toBe('KIT_INVALID');
    await addKit('RING-3', 'RING-2');
    expect(await reasonFrom(compose('RING-1', 'RING-3'))).toBe('KIT_INVALID');
  });

  test('a deleted kit counts no more, and is not brought back where it has no room', async () => {
    await addItem(inventory, { sku: 'ROOM-1' });
    await addKit('ROOM-2', 'ROOM-1');
    await addKit('ROOM-3', 'ROOM-2');
    await remove('ROOM-3');
    await compose('ROOM-1', 'CUP');
    expect(await reasonFrom(bringBack('ROOM-3'))).toBe('KIT_INVALID');
    await compose('ROOM-1');
    await bringBack('ROOM-3');
  });

  test('of 12 who make circles and chains at once, those who win leave neither', async () => {
    const skus = ['T-1', 'T-2', 'T-3', 'T-4'];
    for (const sku of skus) {
      await addItem(inventory, { sku });
    }
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(skus.map((sku) => compose(sku)));
      const attempts = skus.flatMap((kit) => skus.filter((sku) => sku !== kit).map((part) => ({ kit, part })));
      const outcomes = await Promise.all(attempts.map(({ kit, part }) => reasonFrom(compose(kit, part))));
      expect(outcomes.every((reason) => reason === undefined || reason === 'KIT_INVALID')).toBe(true);
      expect(outcomes).toContain(undefined);
      const { rows } = await inventory.pool.query(`
        SELECT a.kit_sku FROM kit_components a
        JOIN kit_components b ON b.kit_sku = a.component_sku JOIN kit_components c ON c.kit_sku = b.component_sku`);
      expect(rows).toEqual([]);
    }
  });
});

describe('components that come and go', () => {
  test('what a kit needs cannot be deleted; a deleted kit needs nothing, and needs it again to come back', async () => {
    await addItem(inventory, { sku: 'PART-1' });
    await addKit('NEEDS-1', 'PART-1', 'CUP');
    const error = await failure(remove('PART-1'));
    expect(reasonOf(error)).toBe('ITEM_IN_KIT');
    expect(metadataOf(error)).toEqual({ sku: 'PART-1', kit: 'NEEDS-1' });
    await remove('NEEDS-1');
    await remove('PART-1');
    expect(metadataOf(await failure(bringBack('NEEDS-1')))).toEqual({ sku: 'NEEDS-1', component: 'PART-1' });
    expect(await reasonFrom(addKit('NEEDS-2', 'PART-1'))).toBe('KIT_INVALID');
    await bringBack('PART-1');
    await bringBack('NEEDS-1');
    expect(await compositionOf('NEEDS-1')).toEqual(['PART-1*1', 'CUP*1']);
  });

  test('a component is deleted or the kit is made, never both', async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < 12; round += 1) {
      const part = `GONE-${round}`;
      await addItem(inventory, { sku: part });
      const race = [() => reasonFrom(remove(part)), () => reasonFrom(addKit(`WANTS-${round}`, part))];
      const [first, second] = await Promise.all((round % 2 === 0 ? race : race.toReversed()).map((start) => start()));
      const [removed, made] = round % 2 === 0 ? [first, second] : [second, first];
      outcomes.add(`${removed} ${made}`);
    }
    for (const outcome of outcomes) {
      expect(['undefined KIT_INVALID', 'ITEM_IN_KIT undefined']).toContain(outcome);
    }
  });
});

describe('an item with stock stays what it is', () => {
  test('on hand, reserved and safety keep it from becoming a kit, and go with it when they are gone', async () => {
    await addItem(inventory, { sku: 'HAS-1' });
    await addStock(inventory, 'HAS-1', 'kits-1', 3);
    const error = await failure(compose('HAS-1', 'CUP'));
    expect(reasonOf(error)).toBe('ITEM_HOLDS_STOCK');
    expect(metadataOf(error)).toEqual({ sku: 'HAS-1', on_hand: '3' });
    expect(await reasonFrom(update({ sku: 'HAS-1', lotTracked: true }, 'lot_tracked'))).toBe('ITEM_HOLDS_STOCK');
    expect(await get('HAS-1')).toMatchObject({ components: [], lotTracked: false });
    await addStock(inventory, 'HAS-1', 'kits-1', -3);
    await update({ sku: 'HAS-1', lotTracked: true }, 'lot_tracked');
    await update({ sku: 'HAS-1', lotTracked: false, components: of('CUP') }, 'lot_tracked', 'components');
    expect((await inventory.stock.batchGetStockLevels({ skus: ['HAS-1'] })).stockLevels).toEqual([]);
    expect(await reasonFrom(addStock(inventory, 'HAS-1', 'kits-1', 1))).toBe('KIT_HAS_NO_STOCK');
  });

  test.each(['kit', 'lot'])('goods come in or it is kept otherwise (%s), never both', async (kind) => {
    for (let round = 0; round < 10; round += 1) {
      const sku = `RACE-${kind.toUpperCase()}-${round}`;
      await addItem(inventory, { sku });
      const become = () => (kind === 'kit' ? compose(sku, 'CUP') : update({ sku, lotTracked: true }, 'lot_tracked'));
      const race = [() => reasonFrom(become()), () => reasonFrom(addStock(inventory, sku, 'kits-1', 1))];
      const [first, second] = await Promise.all((round % 2 === 0 ? race : race.toReversed()).map((start) => start()));
      const [became, booked] = round % 2 === 0 ? [first, second] : [second, first];
      const refused = kind === 'kit' ? 'KIT_HAS_NO_STOCK' : 'LOT_REQUIRED';
      expect([
        [undefined, refused],
        ['ITEM_HOLDS_STOCK', undefined],
      ]).toContainEqual([became, booked]);
    }
  });
});

describe('what happens out of stock', () => {
  const releaseTime = { seconds: 4_000_000_000n, nanos: 0 };

  test('is kept, and DENY when it is not said', async () => {
    const preorder = await addItem(inventory, {
      sku: 'OUT-1',
      outOfStockPolicy: PREORDER,
      backorderLimit: 1_000_000_000n,
      releaseTime,
      unitCode: 'KGM',
    });
    expect(preorder).toMatchObject({ outOfStockPolicy: PREORDER, backorderLimit: 1_000_000_000n, unitCode: 'KGM' });
    expect(preorder.releaseTime).toMatchObject(releaseTime);
    expect(await get('OUT-1')).toEqual(preorder);
    const change = { sku: 'OUT-1', outOfStockPolicy: UNSPECIFIED };
    const denied = await update(change, 'out_of_stock_policy', 'backorder_limit', 'release_time');
    expect(denied).toMatchObject({ outOfStockPolicy: DENY, backorderLimit: 0n });
    expect(denied?.releaseTime).toBeUndefined();
  });

  test.each<[string, Omit<Parameters<typeof addItem>[1], 'sku'>]>([
    ['lot_tracked', { components: of('CUP'), lotTracked: true }],
    ['out_of_stock_policy', { components: of('CUP'), outOfStockPolicy: BACKORDER, backorderLimit: 1n }],
    ['out_of_stock_policy', { lotTracked: true, outOfStockPolicy: BACKORDER, backorderLimit: 1n }],
    ['out_of_stock_policy', { lotTracked: true, outOfStockPolicy: PREORDER, backorderLimit: 1n, releaseTime }],
    ['backorder_limit', { outOfStockPolicy: BACKORDER }],
    ['backorder_limit', { outOfStockPolicy: PREORDER, releaseTime }],
    ['backorder_limit', { outOfStockPolicy: DENY, backorderLimit: 1n }],
    ['backorder_limit', { backorderLimit: 1n }],
    ['release_time', { outOfStockPolicy: PREORDER, backorderLimit: 1n }],
    ['release_time', { outOfStockPolicy: BACKORDER, backorderLimit: 1n, releaseTime }],
    ['release_time', { releaseTime }],
  ])('%s is at fault in case %#', async (field, fields) => {
    await addItem(inventory, { sku: 'OUT-2' }).catch(() => {});
    const before = await get('OUT-2');
    for (const attempt of [
      () => addItem(inventory, { sku: 'OUT-3', ...fields }),
      () =>
        inventory.items.updateItem({
          requestId: requestId(),
          item: anItem({ sku: 'OUT-2', ...fields }),
          updateMask: { paths: ['*'] },
        }),
    ]) {
      const error = await failure(attempt());
      expect(reasonOf(error)).toBe('STOCK_POLICY_INVALID');
      expect(metadataOf(error)).toEqual({ field: `item.${field}` });
    }
    expect(await get('OUT-2')).toEqual(before);
    expect(await reasonFrom(get('OUT-3'))).toBe('ITEM_NOT_FOUND');
  });

  test.each([
    { backorderLimit: -1n },
    { backorderLimit: 1_000_000_001n },
    { unitCode: 'kg' },
    { unitCode: 'LONG' },
    { outOfStockPolicy: 9 as OutOfStockPolicy },
    { outOfStockPolicy: PREORDER, backorderLimit: 1n, releaseTime: { seconds: 300_000_000_000n, nanos: 0 } },
    { outOfStockPolicy: PREORDER, backorderLimit: 1n, releaseTime: { seconds: 0n, nanos: -1 } },
  ])('bounds hold in case %#', async (fields) => {
    expect(await reasonFrom(addItem(inventory, { sku: 'OUT-4', ...fields }))).toBe('INVALID_FIELD');
    expect(await reasonFrom(get('OUT-4'))).toBe('ITEM_NOT_FOUND');
  });
});

describe('the largest kit', () => {
  test('is counted without overflow, and promises no more than its components allow', async () => {
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    const parts = numbers.map((index) => `BIG-PART-${index}`);
    for (const sku of parts) {
      await addItem(inventory, { sku });
      await addStock(inventory, sku, 'kits-1', 50_000_000);
    }
    for (const index of numbers) {
      await addKit(`BIG-KIT-${index}`, ...parts.map((sku) => `${sku}*1000`));
    }
    await addKit('BIG', ...numbers.map((index) => `BIG-KIT-${index}*1000`));
    const planned = (quantity: bigint) => inventory.reservations.planSourcing({ lines: [{ sku: 'BIG', quantity }] });
    const two = await planned(2n);
    expect(two.shortages).toEqual([]);
    expect(two.allocations.map(({ sku, quantity }) => `${sku} ${quantity}`).sort()).toEqual(
      parts.map((sku) => `${sku} 40000000`).sort(),
    );
    const most = 1_000_000n;
    expect((await planned(most)).shortages).toMatchObject([
      { sku: 'BIG', requestedQuantity: most, availableQuantity: 2n },
    ]);
  });
});

test('kits that change, are reserved, sold out and deleted at once end in typed errors and right books', async () => {
  const skus = ['MIX-1', 'MIX-2', 'MIX-3', 'MIX-4'];
  for (const sku of skus) {
    await addItem(inventory, { sku });
    await addStock(inventory, sku, 'kits-1', 20);
  }
  await addKit('MIX-KIT-1', 'MIX-1', 'MIX-2');
  await addKit('MIX-KIT-2', 'MIX-4', 'MIX-3');
  const reserve = (...lines: string[]) =>
    inventory.reservations.createReservation({
      requestId: requestId(),
      lines: lines.map((sku) => ({ sku, quantity: 1n })),
      ttl: { seconds: 600n },
    });
  const calls = Array.from({ length: 20 }, (_, index) => [
    () => reserve('MIX-KIT-2', 'MIX-1'),
    () => reserve('MIX-4', 'MIX-KIT-1'),
    () => compose('MIX-KIT-1', ...(index % 2 === 0 ? ['MIX-4', 'MIX-1'] : ['MIX-2', 'MIX-3', 'MIX-KIT-2'])),
    () => compose('MIX-KIT-2', ...(index % 2 === 0 ? ['MIX-1', 'MIX-4'] : ['MIX-3', 'MIX-KIT-1'])),
    () => update({ sku: 'MIX-2', lotTracked: true }, 'lot_tracked'),
    () => compose('MIX-3', 'MIX-1'),
    () => addStock(inventory, 'MIX-3', 'kits-1', -1),
    () => remove('MIX-4'),
    () => remove('MIX-KIT-2'),
    () => bringBack('MIX-KIT-2'),
  ]).flat();
  const reasons = await Promise.all(calls.map((call) => reasonFrom(call())));
  const expected = [
    undefined,
    'INSUFFICIENT_STOCK',
    'ITEM_HOLDS_STOCK',
    'ITEM_IN_KIT',
    'ITEM_NOT_DELETED',
    'ITEM_NOT_FOUND',
    'ITEM_RESERVED',
    'KIT_INVALID',
    'KIT_HAS_NO_STOCK',
    'LOT_REQUIRED',
    'STOCK_POLICY_INVALID',
  ];
  expect(reasons.filter((reason) => !expected.includes(reason as string))).toEqual([]);
  expect(reasons.filter((reason) => reason === undefined).length).toBeGreaterThan(20);
});

test('who watches availability is told of what is decided at an item or a location', async () => {
  await addLocation(inventory, { locationId: 'kits-2' });
  for (const sku of ['SEEN-1', 'SEEN-2']) {
    await addItem(inventory, { sku });
    await addStock(inventory, sku, 'kits-2', 12);
  }
  await addKit('SEEN-KIT', 'SEEN-1');
  await addKit('SEEN-KITS', 'SEEN-KIT*2');
  const changes: (() => Promise<unknown>)[] = [
    // A kit within the kit is recomposed.
    () => compose('SEEN-KIT', 'SEEN-1*3'),
    () => compose('SEEN-KIT', 'SEEN-1', 'SEEN-2*4'),
    () =>
      inventory.locations.updateLocation({
        requestId: requestId(),
        location: { locationId: 'kits-2', deactivated: true },
        updateMask: { paths: ['deactivated'] },
      }),
    () =>
      update(
        { sku: 'SEEN-2', outOfStockPolicy: BACKORDER, backorderLimit: 9n },
        'out_of_stock_policy',
        'backorder_limit',
      ),
  ];
  const seen: string[] = [];
  let isListed = false;
  for await (const { event } of inventory.availability.watchAvailability({ skus: ['SEEN-KITS', 'SEEN-2'] })) {
    if (event.case === 'changed') {
      seen.push(`${event.value.sku} ${event.value.sellableQuantity} ${event.value.backorderQuantity}`);
    }
    if (seen.at(-1) === 'SEEN-2 0 9') {
      break;
    }
    // One change at a time: the next is made when the one before was told.
    if (event.case === 'changed' ? isListed : !isListed) {
      isListed = true;
      await changes.shift()?.();
    }
  }
  expect(seen.slice(0, 2).sort()).toEqual(['SEEN-2 12 0', 'SEEN-KITS 6 0']);
  expect(seen.filter((line) => line.startsWith('SEEN-KITS'))).toEqual([
    'SEEN-KITS 6 0',
    'SEEN-KITS 2 0',
    'SEEN-KITS 1 0',
    'SEEN-KITS 0 0',
  ]);
});

test('a request that is repeated composes once', async () => {
  const request = { requestId: requestId(), item: anItem({ sku: 'ONCE-KIT', components: of('CUP*2', 'FORK') }) };
  const answers = await Promise.all(Array.from({ length: 6 }, () => inventory.items.createItem(request)));
  expect(new Set(answers.map(({ item }) => item?.etag)).size).toBe(1);
  await compose('ONCE-KIT', 'SPOON');
  expect((await inventory.items.createItem(request)).item).toEqual(answers[0]?.item);
  const other = { ...request, item: anItem({ sku: 'ONCE-KIT', components: of('CUP*3', 'FORK') }) };
  expect(await reasonFrom(inventory.items.createItem(other))).toBe('REQUEST_ID_REUSED');
  expect(await compositionOf('ONCE-KIT')).toEqual(['SPOON*1']);
});
