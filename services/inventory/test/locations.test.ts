import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, aLocation, startInventory, type TestInventory } from './harness.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory();
});
afterAll(() => inventory.stop());

const update = (location: object, paths: string[]) =>
  inventory.locations.updateLocation({ requestId: requestId(), location, updateMask: { paths } });

describe('create, get, update', () => {
  test('gives the location back as it was sent, with what the server sets', async () => {
    const created = await addLocation(inventory, { locationId: 'berlin-1', servedCountryCodes: ['DE', 'AT'] });
    expect(created).toMatchObject({ locationId: 'berlin-1', pickPriority: 10, servedCountryCodes: ['DE', 'AT'] });
    expect(created.address).toMatchObject({ lines: ['Hafenstrasse 1'], city: 'Hamburg', countryCode: 'DE' });
    expect((await inventory.locations.getLocation({ locationId: 'berlin-1' })).location).toEqual(created);
    expect(await reasonFrom(addLocation(inventory, { locationId: 'berlin-1' }))).toBe('LOCATION_ALREADY_EXISTS');
    expect(await reasonFrom(inventory.locations.getLocation({ locationId: 'berlin-2' }))).toBe('LOCATION_NOT_FOUND');
  });

  test.each(['Europe/Atlantis', 'berlin', '+02:00', 'Europe/Berlin\0', ''])(
    'the time zone %j is refused',
    async (timeZone) => {
      const reason = await reasonFrom(addLocation(inventory, { locationId: 'zone-1', timeZone }));
      expect(reason).toBe(timeZone === '' ? 'INVALID_FIELD' : 'TIME_ZONE_UNKNOWN');
    },
  );

  test('changes what the mask names, inside the address as well', async () => {
    const before = await addLocation(inventory, { locationId: 'update-1', servedCountryCodes: ['DE'] });
    const location = { locationId: 'update-1', address: { city: 'Bremen' }, etag: before.etag };
    const { location: after } = await update(location, ['address.city', 'served_country_codes']);
    expect(after?.address).toMatchObject({ city: 'Bremen', lines: ['Hafenstrasse 1'] });
    expect(after?.servedCountryCodes).toEqual([]);
    const stale = await failure(update(location, ['address.city']));
    expect(reasonOf(stale)).toBe('ETAG_MISMATCH');
    expect(metadataOf(stale)).toEqual({ etag: after?.etag });
  });

  test('refuses masks and results that are wrong', async () => {
    await addLocation(inventory, { locationId: 'update-2' });
    const locationId = 'update-2';
    expect(await reasonFrom(update({ locationId }, ['update_time']))).toBe('UPDATE_MASK_INVALID');
    expect(await reasonFrom(update({ locationId }, ['address.street']))).toBe('UPDATE_MASK_INVALID');
    expect(await reasonFrom(update({ locationId, timeZone: 'Mars/Base' }, ['time_zone']))).toBe('TIME_ZONE_UNKNOWN');
    const error = await failure(update({ locationId, pickPriority: 1_001 }, ['pick_priority', 'name']));
    expect(fieldViolationsOf(error).map(({ field }) => field)).toEqual(['location.name', 'location.pick_priority']);
    expect(await reasonFrom(update({ locationId: 'nowhere', name: 'x' }, ['name']))).toBe('LOCATION_NOT_FOUND');
  });

  test('the same request twice creates once', async () => {
    const request = { requestId: requestId(), location: aLocation({ locationId: 'once-1' }) };
    const [one, two] = await Promise.all([1, 2].map(() => inventory.locations.createLocation(request)));
    expect(one).toEqual(two);
    const other = { ...request, location: aLocation({ locationId: 'once-2' }) };
    expect(await reasonFrom(inventory.locations.createLocation(other))).toBe('REQUEST_ID_REUSED');
  });
});

test('lists by pick priority, then id, page by page', async () => {
  for (const [locationId, pickPriority] of [
    ['list-c', 901],
    ['list-b', 902],
    ['list-a', 902],
    ['list-d', 900],
  ] as const) {
    await addLocation(inventory, { locationId, pickPriority });
  }
  const seen: string[] = [];
  let pageToken = '';
  do {
    const page = await inventory.locations.listLocations({ pageSize: 1, pageToken });
    seen.push(...page.locations.map(({ locationId }) => locationId));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  expect(seen.slice(-4)).toEqual(['list-d', 'list-c', 'list-a', 'list-b']);
  expect(new Set(seen).size).toBe(seen.length);
  expect(await reasonFrom(inventory.locations.listLocations({ pageToken: 'AAAA' }))).toBe('PAGE_TOKEN_INVALID');
});

describe('delete', () => {
  const remove = (locationId: string, etag = '') =>
    inventory.locations.deleteLocation({ requestId: requestId(), locationId, etag });

  test('only what holds nothing; the ledger stays, and the id can be used again', async () => {
    const { etag } = await addLocation(inventory, { locationId: 'delete-1' });
    await addItem(inventory, { sku: 'D-1' });
    await addStock(inventory, 'D-1', 'delete-1', 2);
    const error = await failure(remove('delete-1'));
    expect(reasonOf(error)).toBe('LOCATION_HOLDS_STOCK');
    expect(metadataOf(error)).toEqual({ location_id: 'delete-1', on_hand: '2' });
    await addStock(inventory, 'D-1', 'delete-1', -2);
    expect(await reasonFrom(remove('delete-1', 'another etag'))).toBe('ETAG_MISMATCH');
    await remove('delete-1', etag);
    expect(await reasonFrom(remove('delete-1'))).toBe('LOCATION_NOT_FOUND');
    expect((await inventory.stock.listLedgerEntries({ locationId: 'delete-1' })).ledgerEntries).toHaveLength(2);
    expect((await inventory.stock.batchGetStockLevels({ skus: ['D-1'] })).stockLevels).toEqual([]);
    await addLocation(inventory, { locationId: 'delete-1' });
    expect((await addStock(inventory, 'D-1', 'delete-1', 1)).stockLevel).toMatchObject({ onHand: 1n });
  });

  test('raced by goods that come in: either they are there, or there is no place for them', async () => {
    for (let round = 0; round < 10; round += 1) {
      const locationId = `race-${round}`;
      await addLocation(inventory, { locationId });
      const [removed, booked] = await Promise.all([
        reasonFrom(remove(locationId)),
        reasonFrom(addStock(inventory, 'D-1', locationId, 1)),
      ]);
      expect([removed, booked]).toEqual(
        removed === undefined ? [undefined, 'LOCATION_NOT_FOUND'] : ['LOCATION_HOLDS_STOCK', undefined],
      );
    }
  });
});
