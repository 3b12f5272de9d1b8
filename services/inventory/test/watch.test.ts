import { reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, startInventory, type TestInventory } from './harness.ts';
import { isBookmark, Reader, untilSettled } from './watch-reader.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory();
  await addLocation(inventory, { locationId: 'hamburg', servedCountryCodes: ['DE'] });
  await addLocation(inventory, { locationId: 'austin', servedCountryCodes: ['US'] });
});
afterAll(() => inventory.stop());

const hold = (sku: string, quantity: bigint, seconds = 600n) =>
  inventory.reservations.createReservation({ requestId: requestId(), lines: [{ sku, quantity }], ttl: { seconds } });

const settled = () => untilSettled(inventory);

describe('items', () => {
  test('lists, then tells changes and deletions, and goes on from a token where it ended', async () => {
    await addItem(inventory, { sku: 'W-1', name: 'One' });
    await settled();
    const open = (resumeToken = '') => new Reader((options) => inventory.items.watchItems({ resumeToken }, options));
    const reader = open();
    const listed = await reader.until(isBookmark);
    expect(listed.map((event) => event.case)).toEqual([...listed.slice(1).map(() => 'changed'), 'bookmark']);
    expect(listed).toContainEqual(
      expect.objectContaining({ value: expect.objectContaining({ sku: 'W-1', name: 'One' }) }),
    );
    const token = reader.resumeToken;

    await addItem(inventory, { sku: 'W-2' });
    expect(await reader.next()).toMatchObject({ case: 'changed', value: { sku: 'W-2' } });
    await inventory.items.deleteItem({ requestId: requestId(), sku: 'W-2' });
    expect(await reader.next()).toEqual({ case: 'deletedSku', value: 'W-2' });
    reader.close();

    // What was missed is told as it is now: W-2 came and went.
    const resumed = open(token);
    const missed = await resumed.until(isBookmark);
    expect(missed.map((event) => event.case)).toEqual(['deletedSku', 'bookmark']);
    expect(missed[0]?.value).toBe('W-2');
    resumed.close();
  });

  test('refuses tokens of other streams', async () => {
    const reader = new Reader((options) => inventory.reservations.watchReservations({}, options));
    await reader.until(isBookmark);
    for (const resumeToken of [reader.resumeToken, 'nonsense']) {
      const items = new Reader((options) => inventory.items.watchItems({ resumeToken }, options));
      const error = await items.next().catch((caught: unknown) => caught);
      expect(reasonOf(error)).toBe('RESUME_TOKEN_INVALID');
    }
    reader.close();
  });
});

describe('stock levels', () => {
  test('lists those of the location, then tells every change there and nowhere else', async () => {
    await addItem(inventory, { sku: 'W-3' });
    await addStock(inventory, 'W-3', 'hamburg', 5);
    await settled();
    const reader = new Reader((options) => inventory.stock.watchStockLevels({ locationId: 'hamburg' }, options));
    const listed = await reader.until(isBookmark);
    expect(listed).toContainEqual({ case: 'changed', value: expect.objectContaining({ sku: 'W-3', onHand: 5n }) });
    await addStock(inventory, 'W-3', 'austin', 1);
    await hold('W-3', 3n);
    expect(await reader.next()).toMatchObject({ case: 'changed', value: { locationId: 'hamburg', reserved: 2n } });
    reader.close();
  });

  test('tells who resumes of its own items alone, whatever else is watched', async () => {
    for (const sku of ['W-9', 'W-10']) await addItem(inventory, { sku });
    await settled();
    const open = (sku: string, resumeToken = '') =>
      new Reader((options) => inventory.stock.watchStockLevels({ skus: [sku], resumeToken }, options));
    const [reader, other] = [open('W-9'), open('W-10')];
    await Promise.all([reader.until(isBookmark), other.until(isBookmark)]);
    reader.close();
    await addStock(inventory, 'W-10', 'hamburg', 1);
    await addStock(inventory, 'W-9', 'hamburg', 2);
    await settled();
    const resumed = open('W-9', reader.resumeToken);
    expect(await resumed.until(isBookmark)).toMatchObject([
      { case: 'changed', value: { sku: 'W-9', onHand: 2n } },
      { case: 'bookmark' },
    ]);
    resumed.close();
    other.close();
  });
});

describe('availability', () => {
  const open = (request: { skus: string[]; destinationCountryCode?: string; resumeToken?: string }) =>
    new Reader((options) => inventory.availability.watchAvailability(request, options));

  test('tells sales, releases, expiry and deletion, each as what can be sold then', async () => {
    await addItem(inventory, { sku: 'W-4' });
    await addStock(inventory, 'W-4', 'hamburg', 5);
    const reader = open({ skus: ['W-4', 'W-NONE'] });
    expect(await reader.until(isBookmark)).toMatchObject([
      { value: { sku: 'W-4', sellableQuantity: 5, known: true } },
      { value: { sku: 'W-NONE', sellableQuantity: 0, known: false } },
      { case: 'bookmark' },
    ]);
    const { reservation } = await hold('W-4', 3n);
    expect(await reader.next()).toMatchObject({ value: { sku: 'W-4', sellableQuantity: 2 } });
    await inventory.reservations.releaseReservation({
      requestId: requestId(),
      reservationId: reservation?.reservationId ?? '',
    });
    expect(await reader.next()).toMatchObject({ value: { sku: 'W-4', sellableQuantity: 5 } });
    await hold('W-4', 5n, 1n);
    expect(await reader.next()).toMatchObject({ value: { sku: 'W-4', sellableQuantity: 0 } });
    expect(await reader.next()).toMatchObject({ value: { sku: 'W-4', sellableQuantity: 5 } });
    await inventory.items.deleteItem({ requestId: requestId(), sku: 'W-4' });
    expect(await reader.next()).toMatchObject({ value: { sku: 'W-4', sellableQuantity: 0, known: false } });
    reader.close();
  });

  test('counts only locations that serve the destination, and hears when that changes', async () => {
    await addItem(inventory, { sku: 'W-5' });
    await addStock(inventory, 'W-5', 'hamburg', 2);
    await addStock(inventory, 'W-5', 'austin', 3);
    const reader = open({ skus: ['W-5'], destinationCountryCode: 'US' });
    expect(await reader.next()).toMatchObject({ value: { sellableQuantity: 3 } });
    await reader.until(isBookmark);
    await inventory.locations.updateLocation({
      requestId: requestId(),
      location: { locationId: 'hamburg', servedCountryCodes: ['DE', 'US'] },
      updateMask: { paths: ['served_country_codes'] },
    });
    expect(await reader.next()).toMatchObject({ value: { sellableQuantity: 5 } });
    reader.close();
  });

  test('is capped at 100, and says nothing while the cap hides the change', async () => {
    await addItem(inventory, { sku: 'W-6' });
    await addStock(inventory, 'W-6', 'hamburg', 150);
    const reader = open({ skus: ['W-6'] });
    expect(await reader.next()).toMatchObject({ value: { sellableQuantity: 100 } });
    await reader.until(isBookmark);
    await hold('W-6', 20n);
    await hold('W-6', 31n);
    expect(await reader.next()).toMatchObject({ value: { sellableQuantity: 99 } });
    reader.close();
  });

  test('goes on from a token, of the same SKUs only', async () => {
    await addItem(inventory, { sku: 'W-7' });
    await addStock(inventory, 'W-7', 'hamburg', 9);
    const first = open({ skus: ['W-7'] });
    await first.until(isBookmark);
    const { resumeToken } = first;
    first.close();
    await hold('W-7', 1n);
    const resumed = open({ skus: ['W-7'], resumeToken });
    expect(await resumed.until((event) => event.case === 'changed')).toContainEqual({
      case: 'changed',
      value: expect.objectContaining({ sku: 'W-7', sellableQuantity: 8 }),
    });
    resumed.close();
    const other = await open({ skus: ['W-6'], resumeToken })
      .next()
      .catch((caught: unknown) => caught);
    expect(reasonOf(other)).toBe('RESUME_TOKEN_INVALID');
  });

  test('tells who resumes of its own SKUs alone, whatever else is watched', async () => {
    for (const sku of ['W-11', 'W-12']) await addItem(inventory, { sku });
    await settled();
    const [reader, other] = [open({ skus: ['W-11'] }), open({ skus: ['W-12'] })];
    await Promise.all([reader.until(isBookmark), other.until(isBookmark)]);
    reader.close();
    await addStock(inventory, 'W-12', 'hamburg', 1);
    await addStock(inventory, 'W-11', 'hamburg', 2);
    await settled();
    const resumed = open({ skus: ['W-11'], resumeToken: reader.resumeToken });
    expect(await resumed.until(isBookmark)).toMatchObject([
      { case: 'changed', value: { sku: 'W-11', sellableQuantity: 2 } },
      { case: 'bookmark' },
    ]);
    resumed.close();
    other.close();
  });
});

describe('reservations', () => {
  test('lists the active, then tells every change, expiry by the sweep included', async () => {
    await addItem(inventory, { sku: 'W-8' });
    await addStock(inventory, 'W-8', 'hamburg', 9);
    const [kept, released] = [await hold('W-8', 1n), await hold('W-8', 1n)];
    const idOf = ({ reservation }: Awaited<ReturnType<typeof hold>>) => reservation?.reservationId ?? '';
    await inventory.reservations.releaseReservation({ requestId: requestId(), reservationId: idOf(released) });
    await settled();
    const reader = new Reader((options) => inventory.reservations.watchReservations({}, options));
    const listed = (await reader.until(isBookmark)).flatMap((event) =>
      event.case === 'changed' ? event.value.reservationId : [],
    );
    expect(listed).toContain(idOf(kept));
    expect(listed).not.toContain(idOf(released));

    const brief = await hold('W-8', 1n, 1n);
    const states: number[] = [];
    await reader.until((event) => {
      if (event.case === 'changed' && event.value.reservationId === idOf(brief)) {
        states.push(event.value.state);
      }
      return states.at(-1) === 5;
    });
    expect(states[0]).toBe(1);
    reader.close();
  });
});
