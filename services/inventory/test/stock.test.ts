import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, levelAt, NEVER_MS, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

let inventory: TestInventory;
beforeAll(async () => {
  // Holds that run out stay until a booking meets them.
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
  for (const locationId of ['alpha', 'beta', 'gamma']) {
    await addLocation(inventory, { locationId });
  }
});
afterAll(async () => {
  await checkInvariants(inventory.pool);
  await inventory.stop();
});

let skus = 0;
async function newItem(): Promise<string> {
  skus += 1;
  const sku = `S-${skus}`;
  await addItem(inventory, { sku });
  return sku;
}

describe('adjust', () => {
  test('books in and out, with reason, source and actor', async () => {
    const sku = await newItem();
    await addStock(inventory, sku, 'alpha', 10);
    const { stockLevel, ledgerEntry } = await inventory.stock.adjustStock({
      requestId: requestId(),
      sku,
      locationId: 'alpha',
      delta: -3n,
      reason: StockReason.DAMAGED,
      source: 'ticket 9',
    });
    expect(stockLevel).toMatchObject({ sku, locationId: 'alpha', onHand: 7n, reserved: 0n, available: 7n });
    expect(ledgerEntry).toMatchObject({
      onHandDelta: -3n,
      onHandAfter: 7n,
      reason: StockReason.DAMAGED,
      source: 'ticket 9',
    });
    expect(ledgerEntry?.actor).toBe('shipping');
    expect((await inventory.stock.listLedgerEntries({ sku })).ledgerEntries[0]).toEqual(ledgerEntry);
  });

  test('takes off no more than is free, reserved units apart', async () => {
    const sku = await newItem();
    await addStock(inventory, sku, 'alpha', 5);
    await inventory.reservations.createReservation({
      requestId: requestId(),
      lines: [{ sku, quantity: 4n }],
      ttl: { seconds: 60n },
    });
    const error = await failure(addStock(inventory, sku, 'alpha', -2));
    expect(reasonOf(error)).toBe('INSUFFICIENT_STOCK');
    expect(metadataOf(error)).toEqual({ sku, location_id: 'alpha', requested: '2', available: '1' });
    await addStock(inventory, sku, 'alpha', -1);
  });

  test('a hold that ran out does not keep units from being taken off', async () => {
    const sku = await newItem();
    await addStock(inventory, sku, 'alpha', 5);
    const { reservation } = await inventory.reservations.createReservation({
      requestId: requestId(),
      lines: [{ sku, quantity: 5n }],
      ttl: { seconds: 60n },
    });
    await inventory.pool.query('UPDATE reservations SET expire_time = now() WHERE reservation_id = $1', [
      reservation?.reservationId,
    ]);
    await addStock(inventory, sku, 'alpha', -5);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 0n, reserved: 0n });
  });

  test('refuses what would leave the range of quantities', async () => {
    const sku = await newItem();
    for (const delta of [0n, 1_000_000_001n, -1_000_000_001n, 9_223_372_036_854_775_807n]) {
      const adjust = inventory.stock.adjustStock({
        requestId: requestId(),
        sku,
        locationId: 'alpha',
        delta,
        reason: StockReason.RECEIVED,
      });
      expect(fieldViolationsOf(await failure(adjust)).map(({ field }) => field)).toEqual(['delta']);
    }
    await addStock(inventory, sku, 'alpha', 1_000_000_000);
    // The ledger must agree, or the invariants at the end of this file would not hold.
    await inventory.pool.query(
      `WITH booked AS (
         INSERT INTO ledger_entries (sku, location_id, on_hand_delta, on_hand_after, reason, source, actor)
         SELECT sku, location_id, 1000000000000 - on_hand, 1000000000000, 2, '', '' FROM stock WHERE sku = $1)
       UPDATE stock SET on_hand = 1000000000000 WHERE sku = $1`,
      [sku],
    );
    expect(await reasonFrom(addStock(inventory, sku, 'alpha', 1))).toBe('QUANTITY_OUT_OF_RANGE');
  });

  test('refuses unknown items, deleted items and unknown locations, and reasons that are the server’s', async () => {
    const sku = await newItem();
    expect(await reasonFrom(addStock(inventory, 'S-NONE', 'alpha', 1))).toBe('ITEM_NOT_FOUND');
    expect(await reasonFrom(addStock(inventory, sku, 'nowhere', 1))).toBe('LOCATION_NOT_FOUND');
    await inventory.items.deleteItem({ requestId: requestId(), sku });
    expect(await reasonFrom(addStock(inventory, sku, 'alpha', 1))).toBe('ITEM_NOT_FOUND');
    for (const reason of [StockReason.UNSPECIFIED, StockReason.IMPORTED, StockReason.SHIPPED]) {
      const adjust = { requestId: requestId(), sku, locationId: 'alpha', delta: 1n, reason };
      expect(await reasonFrom(inventory.stock.adjustStock(adjust))).toBe('INVALID_FIELD');
    }
  });

  test('books the item that is named, also when a hold that ran out brings another along', async () => {
    // The stock of both is locked in this order, so that the other one comes first.
    await addItem(inventory, { sku: 'PAIR-1' });
    await addItem(inventory, { sku: 'PAIR-2' });
    await addStock(inventory, 'PAIR-1', 'alpha', 100);
    await addStock(inventory, 'PAIR-2', 'alpha', 5);
    const { reservation } = await inventory.reservations.createReservation({
      requestId: requestId(),
      lines: ['PAIR-1', 'PAIR-2'].map((sku) => ({ sku, quantity: 1n, locationId: 'alpha' })),
      ttl: { seconds: 600n },
    });
    const expire = 'UPDATE reservations SET expire_time = now() WHERE reservation_id = $1';
    await inventory.pool.query(expire, [reservation?.reservationId]);
    await addStock(inventory, 'PAIR-2', 'alpha', 1);
    expect(await levelAt(inventory, 'PAIR-2', 'alpha')).toMatchObject({ onHand: 6n, reserved: 0n });
    expect(await levelAt(inventory, 'PAIR-1', 'alpha')).toMatchObject({ onHand: 100n, reserved: 0n });
  });

  test('a location out of use still takes bookings, so that it can be cleared', async () => {
    const sku = await newItem();
    await addLocation(inventory, { locationId: 'closing' });
    await addStock(inventory, sku, 'closing', 5);
    await inventory.pool.query(`UPDATE locations SET deactivated = true WHERE location_id = 'closing'`);
    await addStock(inventory, sku, 'closing', 1);
    await addStock(inventory, sku, 'closing', -6);
    expect(await levelAt(inventory, sku, 'closing')).toMatchObject({ onHand: 0n });
  });

  test('trap 4: parallel bookings lose nothing, and the ledger is unbroken', async () => {
    const sku = await newItem();
    await addStock(inventory, sku, 'alpha', 50);
    await Promise.all(
      Array.from({ length: 60 }, (_, index) => addStock(inventory, sku, 'alpha', index % 2 === 0 ? 2 : -1)),
    );
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 80n });
  });

  test('the ledger cannot be changed, whoever tries', async () => {
    for (const sql of [
      'UPDATE ledger_entries SET on_hand_delta = 0',
      'DELETE FROM ledger_entries',
      'TRUNCATE ledger_entries',
    ]) {
      await expect(inventory.pool.query(sql)).rejects.toThrow('the ledger only grows');
    }
  });
});

describe('levels', () => {
  test('come by SKU in the order asked, then by location', async () => {
    const [a, b] = [await newItem(), await newItem()];
    await addStock(inventory, a, 'beta', 1);
    await addStock(inventory, a, 'alpha', 2);
    await addStock(inventory, b, 'gamma', 3);
    const read = async (locationId = '') =>
      (await inventory.stock.batchGetStockLevels({ skus: [b, a], locationId })).stockLevels.map(
        (level) => `${level.sku}@${level.locationId}:${level.onHand}`,
      );
    expect(await read()).toEqual([`${b}@gamma:3`, `${a}@alpha:2`, `${a}@beta:1`]);
    expect(await read('beta')).toEqual([`${a}@beta:1`]);
    expect(await reasonFrom(read('nowhere'))).toBe('LOCATION_NOT_FOUND');
    expect(await reasonFrom(inventory.stock.batchGetStockLevels({ skus: [a, 'S-NONE'] }))).toBe('ITEM_NOT_FOUND');
  });

  test.each(['', 'beta'])('pages at location "%s" meet every level once', async (locationId) => {
    for (let index = 0; index < 3; index += 1) {
      const sku = await newItem();
      await addStock(inventory, sku, 'alpha', 1);
      await addStock(inventory, sku, 'beta', 1);
    }
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await inventory.stock.listStockLevels({ locationId, pageSize: 2, pageToken });
      seen.push(...page.stockLevels.map((level) => `${level.sku} ${level.locationId}`));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    const { rows } = await inventory.pool.query<{ key: string }>(
      `SELECT sku || ' ' || location_id AS key FROM stock WHERE $1 IN ('', location_id) ORDER BY sku, location_id`,
      [locationId],
    );
    expect(seen).toEqual(rows.map(({ key }) => key));
  });

  test('the ledger comes newest first, page by page, by item and location', async () => {
    const sku = await newItem();
    for (const units of [1, 2, 3, 4, 5]) {
      await addStock(inventory, sku, units === 2 ? 'beta' : 'alpha', units);
    }
    const deltas: bigint[] = [];
    let pageToken = '';
    do {
      const page = await inventory.stock.listLedgerEntries({ sku, locationId: 'alpha', pageSize: 2, pageToken });
      deltas.push(...page.ledgerEntries.map(({ onHandDelta }) => onHandDelta));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(deltas).toEqual([5n, 4n, 3n, 1n]);
    const { nextPageToken } = await inventory.stock.listLedgerEntries({ sku, pageSize: 1 });
    const other = inventory.stock.listLedgerEntries({ pageSize: 1, pageToken: nextPageToken });
    expect(await reasonFrom(other)).toBe('PAGE_TOKEN_INVALID');
  });

  test.each([
    ['an item', { sku: true }],
    ['a location', { locationId: true }],
    ['both', { sku: true, locationId: true }],
    ['everything', {}],
  ])(
    'the ledger of %s is whole and in order, whatever the page',
    async (_, { sku, locationId }: { sku?: boolean; locationId?: boolean }) => {
      const [a, b] = [await newItem(), await newItem()];
      for (let index = 0; index < 12; index += 1) {
        await addStock(inventory, index % 4 === 3 ? b : a, ['alpha', 'beta', 'gamma'][index % 3] ?? '', 1);
      }
      const query = { ...(sku ? { sku: a } : {}), ...(locationId ? { locationId: 'beta' } : {}) };
      const { rows } = await inventory.pool.query<{ id: string }>(
        `SELECT ledger_entry_id AS id FROM ledger_entries
       WHERE ($1 = '' OR sku = $1) AND ($2 = '' OR location_id = $2) ORDER BY ledger_entry_id DESC`,
        [sku ? a : '', locationId ? 'beta' : ''],
      );
      expect(rows.length).toBeGreaterThan(2);
      for (const pageSize of [2, 200]) {
        const seen: string[] = [];
        let pageToken = '';
        do {
          const page = await inventory.stock.listLedgerEntries({ ...query, pageSize, pageToken });
          seen.push(...page.ledgerEntries.map(({ ledgerEntryId }) => ledgerEntryId));
          pageToken = page.nextPageToken;
        } while (pageToken !== '');
        expect(seen).toEqual(rows.map(({ id }) => id));
      }
      expect((await inventory.stock.listLedgerEntries({ sku: 'S-NONE' })).ledgerEntries).toEqual([]);
    },
  );
});
