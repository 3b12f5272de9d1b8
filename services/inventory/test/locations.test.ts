import { OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ReservationState } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import {
  addItem,
  addLocation,
  addStock,
  aLocation,
  levelAt,
  NEVER_MS,
  startInventory,
  type TestInventory,
} from './harness.ts';
import { checkInvariants } from './invariants.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
});
afterEach(() => checkInvariants(inventory.pool));
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

describe('a location that is deactivated', () => {
  const reserve = (sku: string, quantity: bigint) =>
    inventory.reservations.createReservation({
      requestId: requestId(),
      lines: [{ sku, quantity }],
      ttl: { seconds: 600n },
    });

  test('says so, keeps what it has, and is used again when it is taken back', async () => {
    const created = await addLocation(inventory, { locationId: 'off-1' });
    expect(created.deactivated).toBe(false);
    const { location } = await update({ locationId: 'off-1', deactivated: true, etag: created.etag }, ['deactivated']);
    expect(location).toMatchObject({ deactivated: true, name: created.name });
    expect(location?.etag).not.toBe(created.etag);
    expect((await inventory.locations.getLocation({ locationId: 'off-1' })).location).toEqual(location);
    const { locations } = await inventory.locations.listLocations({ pageSize: 200 });
    expect(locations.find(({ locationId }) => locationId === 'off-1')).toEqual(location);
    const { location: back } = await update({ locationId: 'off-1', deactivated: false }, ['deactivated']);
    expect(back?.deactivated).toBe(false);
    expect((await addLocation(inventory, { locationId: 'off-2', deactivated: true })).deactivated).toBe(true);
  });

  test('sources nothing new, and lets go of what is reserved there in every way', async () => {
    await addLocation(inventory, { locationId: 'off-3', pickPriority: 1 });
    await addItem(inventory, { sku: 'OFF-1' });
    await addStock(inventory, 'OFF-1', 'off-3', 10);
    const [kept, left, freed] = await Promise.all([1n, 2n, 3n].map((quantity) => reserve('OFF-1', quantity)));
    await update({ locationId: 'off-3', deactivated: true }, ['deactivated']);
    expect(await levelAt(inventory, 'OFF-1', 'off-3')).toMatchObject({ onHand: 10n, reserved: 6n });

    expect(await reasonFrom(reserve('OFF-1', 1n))).toBe('INSUFFICIENT_STOCK');
    const plan = await inventory.reservations.planSourcing({ lines: [{ sku: 'OFF-1', quantity: 1n }] });
    expect(plan.allocations).toEqual([]);
    expect(plan.shortages).toMatchObject([{ sku: 'OFF-1', availableQuantity: 0n }]);
    const { availabilities } = await inventory.availability.batchGetAvailability({ skus: ['OFF-1'] });
    expect(availabilities).toMatchObject([{ sku: 'OFF-1', known: true, sellableQuantity: 0 }]);

    const end = (made: typeof kept) => ({
      requestId: requestId(),
      reservationId: made?.reservation?.reservationId ?? '',
    });
    await inventory.reservations.confirmReservation(end(kept));
    await inventory.reservations.commitReservation(end(kept));
    await inventory.reservations.confirmReservation(end(left));
    await inventory.reservations.commitReservation(end(left));
    await inventory.reservations.releaseReservation(end(freed));
    expect(await levelAt(inventory, 'OFF-1', 'off-3')).toMatchObject({ onHand: 7n, reserved: 0n });

    await update({ locationId: 'off-3', deactivated: false }, ['deactivated']);
    expect((await reserve('OFF-1', 7n)).reservation?.allocations).toMatchObject([
      { locationId: 'off-3', quantity: 7n },
    ]);
  });

  test('raced by reservations: each is there or refused, and nothing can be reserved afterwards', async () => {
    await addItem(inventory, { sku: 'OFF-2' });
    for (let round = 0; round < 8; round += 1) {
      const locationId = `off-race-${round}`;
      await addLocation(inventory, { locationId });
      await addStock(inventory, 'OFF-2', locationId, 1);
      const [reserved] = await Promise.all([
        reasonFrom(reserve('OFF-2', 1n)),
        update({ locationId, deactivated: true }, ['deactivated']),
      ]);
      const level = await levelAt(inventory, 'OFF-2', locationId);
      expect([reserved, level?.reserved]).toEqual(
        reserved === undefined ? [undefined, 1n] : ['INSUFFICIENT_STOCK', 0n],
      );
      expect(await reasonFrom(reserve('OFF-2', 1n))).toBe('INSUFFICIENT_STOCK');
    }
  });
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

  test('not while units are reserved or on the way, or a transfer or a count is open; it says what', async () => {
    await addLocation(inventory, { locationId: 'busy-1' });
    await addLocation(inventory, { locationId: 'busy-2' });
    const held = async (locationId: string) => {
      const error = await failure(remove(locationId));
      expect(reasonOf(error)).toBe('LOCATION_HOLDS_STOCK');
      const { location_id, ...rest } = metadataOf(error);
      expect(location_id).toBe(locationId);
      return rest;
    };
    const incoming = (delta: bigint) =>
      inventory.stock.adjustStock({
        requestId: requestId(),
        sku: 'D-1',
        locationId: 'busy-1',
        delta,
        state: StockState.INCOMING,
        reason: delta > 0n ? StockReason.RECEIVED : StockReason.CORRECTION,
      });
    await incoming(4n);
    expect(await held('busy-1')).toEqual({ incoming: '4' });
    await incoming(-4n);
    await addStock(inventory, 'D-1', 'busy-1', 3);
    const { transfer } = await inventory.transfers.createTransfer({
      requestId: requestId(),
      sourceLocationId: 'busy-1',
      destinationLocationId: 'busy-2',
      lines: [{ sku: 'D-1', quantity: 3n }],
    });
    const moving = () => ({ requestId: requestId(), transferId: transfer?.transferId ?? '' });
    expect(await held('busy-2')).toEqual({ open_transfers: '1' });
    await inventory.transfers.shipTransfer(moving());
    expect([await held('busy-1'), await held('busy-2')]).toEqual([
      { open_transfers: '1' },
      { incoming: '3', open_transfers: '1' },
    ]);
    await inventory.transfers.receiveTransfer({ ...moving(), lines: [{ sku: 'D-1', acceptedQuantity: 1n }] });
    await addStock(inventory, 'D-1', 'busy-2', -1);
    expect(await held('busy-2')).toEqual({ incoming: '2', open_transfers: '1' });
    await inventory.transfers.cancelTransfer(moving());
    await addStock(inventory, 'D-1', 'busy-1', -2);
    const { count } = await inventory.counts.createCount({
      requestId: requestId(),
      locationId: 'busy-1',
      skus: ['D-1'],
    });
    const counting = () => ({ requestId: requestId(), countId: count?.countId ?? '' });
    expect(await held('busy-1')).toEqual({ open_counts: '1' });
    await inventory.counts.submitCount({ ...counting(), lines: [{ sku: 'D-1', countedQuantity: 0n }] });
    expect(await held('busy-1')).toEqual({ open_counts: '1' });
    await inventory.counts.approveCount(counting());
    await remove('busy-1');
    await remove('busy-2');
  });

  test('what holds that ran out had set aside counts no more, though nobody has tidied them', async () => {
    await addLocation(inventory, { locationId: 'ran-out' });
    await addItem(inventory, { sku: 'D-2', outOfStockPolicy: OutOfStockPolicy.BACKORDER, backorderLimit: 5n });
    const { reservation } = await inventory.reservations.createReservation({
      requestId: requestId(),
      ttl: { seconds: 60n },
      lines: [{ sku: 'D-2', quantity: 2n, locationId: 'ran-out' }],
    });
    const error = await failure(remove('ran-out'));
    expect(metadataOf(error)).toEqual({ location_id: 'ran-out', reserved: '2', backordered: '2' });
    await inventory.pool.query('UPDATE reservations SET expire_time = now() WHERE reservation_id = $1', [
      reservation?.reservationId,
    ]);
    await remove('ran-out');
    const read = await inventory.reservations.getReservation({ reservationId: reservation?.reservationId ?? '' });
    expect(read.reservation?.state).toBe(ReservationState.EXPIRED);
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

describe('bad input is refused with the field, and nothing is changed', () => {
  const fieldsOf = async (call: Promise<unknown>) => {
    const error = await failure(call);
    expect(reasonOf(error)).toBe('INVALID_FIELD');
    return fieldViolationsOf(error).map(({ field }) => field);
  };

  test.each<[string, object]>([
    ['location.location_id', { locationId: '' }],
    ['location.location_id', { locationId: 'Berlin' }],
    ['location.location_id', { locationId: 'b'.repeat(64) }],
    ['location.name', { name: '' }],
    ['location.name', { name: 'x'.repeat(121) }],
    ['location.name', { name: 'a\0b' }],
    ['location.address', { address: undefined }],
    ['location.address.country_code', { address: { lines: ['a'], city: 'b', countryCode: 'd' } }],
    ['location.time_zone', { timeZone: 'x'.repeat(65) }],
    ['location.pick_priority', { pickPriority: -1 }],
    ['location.pick_priority', { pickPriority: 2_147_483_647 }],
    ['location.served_country_codes', { servedCountryCodes: ['DE', 'DE'] }],
    ['location.served_country_codes[1]', { servedCountryCodes: ['DE', 'at'] }],
  ])('%s, case %#', async (field, fields) => {
    const location = aLocation({ locationId: 'bad-1', name: 'Bad', ...fields });
    expect(await fieldsOf(inventory.locations.createLocation({ requestId: requestId(), location }))).toEqual([field]);
    expect(await reasonFrom(inventory.locations.getLocation({ locationId: 'bad-1' }))).toBe('LOCATION_NOT_FOUND');
  });

  test('requests that lack something, or name what is none', async () => {
    const { locations } = inventory;
    const location = aLocation({ locationId: 'bad-1' });
    expect(await fieldsOf(locations.createLocation({ requestId: requestId() }))).toEqual(['location']);
    expect(await fieldsOf(locations.createLocation({ location }))).toEqual(['request_id']);
    expect(await fieldsOf(locations.updateLocation({ requestId: requestId(), location }))).toEqual(['update_mask']);
    expect(await fieldsOf(update({ locationId: 'NO' }, ['name']))).toEqual(['location_id']);
    expect(await reasonFrom(update({ locationId: 'berlin-1' }, []))).toBe('UPDATE_MASK_INVALID');
    expect(await fieldsOf(locations.getLocation({ locationId: 'a b' }))).toEqual(['location_id']);
    expect(await fieldsOf(locations.deleteLocation({ requestId: requestId(), locationId: '-' }))).toEqual([
      'location_id',
    ]);
    expect(await fieldsOf(locations.listLocations({ pageSize: 201 }))).toEqual(['page_size']);
    expect(await fieldsOf(locations.listLocations({ pageSize: -1 }))).toEqual(['page_size']);
    const { nextPageToken } = await inventory.items.listItems({ pageSize: 1 });
    expect(nextPageToken).not.toBe('');
    expect(await reasonFrom(locations.listLocations({ pageToken: nextPageToken }))).toBe('PAGE_TOKEN_INVALID');
  });

  test('a deletion that is repeated deletes once, and its request_id serves nothing else', async () => {
    await addLocation(inventory, { locationId: 'twice-1' });
    const request = { requestId: requestId(), locationId: 'twice-1' };
    await Promise.all([1, 2, 3].map(() => inventory.locations.deleteLocation(request)));
    await addLocation(inventory, { locationId: 'twice-1' });
    await inventory.locations.deleteLocation(request);
    expect((await inventory.locations.getLocation({ locationId: 'twice-1' })).location?.locationId).toBe('twice-1');
    const other = { ...request, etag: 'other' };
    expect(await reasonFrom(inventory.locations.deleteLocation(other))).toBe('REQUEST_ID_REUSED');
  });
});
