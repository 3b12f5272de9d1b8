import { StockBalance, StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { fieldViolationsOf } from '@weft/runtime/errors/fail';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, NEVER_MS, startInventory, type TestInventory } from './harness.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
  await addLocation(inventory, { locationId: 'alpha' });
  await addLocation(inventory, { locationId: 'beta' });
});
afterAll(async () => {
  await inventory.stop();
});
// What one test planted would be found by the next.
afterEach(async () => {
  await behind(
    'TRUNCATE ledger_entries, allocations, reservations, shortages, lot_stock, lots, stock CASCADE; DELETE FROM items',
  );
});

/** Changes the tables behind the service's back, as no service ever may. */
async function behind(sql: string, values: unknown[] = []): Promise<void> {
  const client = await inventory.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_only_grow');
    await client.query(sql, values);
    await client.query('ALTER TABLE ledger_entries ENABLE TRIGGER ledger_entries_only_grow');
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

/** Every discrepancy, page by page, as `sku location lot BALANCE recorded computed`. */
async function found(pageSize = 0, sku = ''): Promise<string[]> {
  const all: string[] = [];
  let pageToken = '';
  do {
    const page = await inventory.stock.reconcileStock({ pageSize, pageToken, sku });
    all.push(
      ...page.discrepancies.map((one) =>
        [one.sku, one.locationId, one.lotId || '-', StockBalance[one.balance], one.recorded, one.computed].join(' '),
      ),
    );
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return all;
}

/** Two levels of an item with everything in them, all of it right. */
async function stocked(sku: string): Promise<void> {
  await addItem(inventory, { sku });
  await addStock(inventory, sku, 'alpha', 20);
  await addStock(inventory, sku, 'beta', 10);
  await addStock(inventory, sku, 'alpha', -3);
  await inventory.stock.setStock({ requestId: requestId(), sku, locationId: 'alpha', safety: 2n });
  for (const [state, units] of [
    [2, 4n],
    [3, 5n],
    [4, 6n],
  ] as const) {
    const adjust = { requestId: requestId(), sku, locationId: 'alpha', state, delta: units };
    await inventory.stock.adjustStock({ ...adjust, reason: StockReason.RECEIVED });
  }
}

async function reserved(sku: string, quantity: number, state: number, lotId = ''): Promise<void> {
  await behind(
    `WITH made AS (
       INSERT INTO reservations (state, expire_time, reference) VALUES (${state}, now() + interval '1 day', '') RETURNING reservation_id
     ), allocated AS (
       INSERT INTO allocations (reservation_id, sku, location_id, lot_id, quantity)
       SELECT reservation_id, '${sku}', 'alpha', '${lotId}', ${quantity} FROM made
     ), lot AS (
       UPDATE lot_stock SET reserved = reserved + ${quantity} WHERE sku = '${sku}' AND location_id = 'alpha' AND lot_id = '${lotId}')
     UPDATE stock SET reserved = reserved + ${quantity} WHERE sku = '${sku}' AND location_id = 'alpha'`,
  );
}

async function stockedByLot(sku: string): Promise<void> {
  await addItem(inventory, { sku, lotTracked: true });
  for (const [lotId, units] of [
    ['A', 10n],
    ['B', 20n],
  ] as const) {
    await inventory.stock.adjustStock({
      requestId: requestId(),
      sku,
      locationId: 'alpha',
      lotId,
      lotExpireTime: { seconds: 4_000_000_000n },
      delta: units,
      reason: StockReason.RECEIVED,
    });
  }
}

test('right books are right, whatever has happened', async () => {
  await stocked('R-1');
  await stockedByLot('R-2');
  await reserved('R-1', 3, 1);
  await reserved('R-1', 2, 2);
  await reserved('R-2', 4, 2, 'A');
  // A hold that ran out counts until somebody tidies it, in the stock row and here.
  await behind('UPDATE reservations SET expire_time = now() WHERE state = 1');
  expect(await found()).toEqual([]);
  expect(await inventory.stock.reconcileStock({})).toMatchObject({ comparedCount: 3n, nextPageToken: '' });
});

test('the books of a location that was deleted are closed, also where units were kept back', async () => {
  await addLocation(inventory, { locationId: 'closing' });
  await addItem(inventory, { sku: 'R-1' });
  await addStock(inventory, 'R-1', 'closing', 5);
  await inventory.stock.setStock({ requestId: requestId(), sku: 'R-1', locationId: 'closing', safety: 3n });
  await addStock(inventory, 'R-1', 'closing', -5);
  await inventory.locations.deleteLocation({ requestId: requestId(), locationId: 'closing' });
  expect(await found()).toEqual([]);
  const { ledgerEntries } = await inventory.stock.listLedgerEntries({ sku: 'R-1' });
  expect(ledgerEntries.map(({ onHandDelta, safetyDelta }) => [onHandDelta, safetyDelta])).toEqual([
    [0n, -3n],
    [-5n, 0n],
    [0n, 3n],
    [5n, 0n],
  ]);
});

describe('tells precisely', () => {
  test.each([
    ['on_hand = on_hand + 1', ['R-1 alpha - ON_HAND 27 26']],
    ['damaged = damaged - 1', ['R-1 alpha - DAMAGED 3 4']],
    ['quality_control = 0', ['R-1 alpha - QUALITY_CONTROL 0 5']],
    ['incoming = incoming + 100', ['R-1 alpha - INCOMING 106 6']],
    ['safety = 0', ['R-1 alpha - SAFETY 0 2']],
    ['reserved = reserved + 1', ['R-1 alpha - RESERVED 1 0']],
    ['reserved = 2, backordered = 2', ['R-1 alpha - RESERVED 2 0', 'R-1 alpha - BACKORDERED 2 0']],
    [
      'on_hand = on_hand + 1, safety = 1, incoming = 0',
      ['R-1 alpha - ON_HAND 27 26', 'R-1 alpha - INCOMING 0 6', 'R-1 alpha - SAFETY 1 2'],
    ],
  ])('a balance that was changed without an entry: %s', async (change, expected) => {
    await stocked('R-1');
    await behind(`UPDATE stock SET ${change} WHERE sku = 'R-1' AND location_id = 'alpha'`);
    expect(await found()).toEqual(expected);
  });

  test('an entry of the ledger that is gone', async () => {
    await stocked('R-1');
    await behind(`DELETE FROM ledger_entries WHERE sku = 'R-1' AND location_id = 'alpha' AND on_hand_delta = -3`);
    expect(await found()).toEqual(['R-1 alpha - ON_HAND 26 29']);
  });

  test('a reservation whose units came back twice', async () => {
    await stocked('R-1');
    await reserved('R-1', 3, 2);
    await reserved('R-1', 2, 1);
    await behind(`UPDATE stock SET reserved = reserved - 3 WHERE sku = 'R-1' AND location_id = 'alpha'`);
    expect(await found()).toEqual(['R-1 alpha - RESERVED 2 5']);
  });

  test('a reservation that ended and kept its units, and parts that left and kept them', async () => {
    await stocked('R-1');
    await reserved('R-1', 3, 4);
    expect(await found()).toEqual(['R-1 alpha - RESERVED 3 0']);
    await behind('UPDATE reservations SET state = 2');
    await behind('UPDATE allocations SET committed_quantity = 1, backordered_quantity = 2');
    expect(await found()).toEqual(['R-1 alpha - RESERVED 3 2', 'R-1 alpha - BACKORDERED 0 2']);
  });

  test('a ledger and a reservation of which no level knows', async () => {
    await stocked('R-1');
    await reserved('R-1', 3, 2);
    await behind(`DELETE FROM stock WHERE location_id = 'beta'`);
    await behind(`UPDATE allocations SET location_id = 'gone'`);
    expect(await found()).toEqual(['R-1 alpha - RESERVED 3 0', 'R-1 beta - ON_HAND 0 10', 'R-1 gone - RESERVED 0 3']);
    expect((await inventory.stock.reconcileStock({})).comparedCount).toBe(3n);
  });

  test('a level without any ledger', async () => {
    await addItem(inventory, { sku: 'R-1' });
    await behind(`INSERT INTO stock (sku, location_id, on_hand) VALUES ('R-1', 'alpha', 5)`);
    expect(await found()).toEqual(['R-1 alpha - ON_HAND 5 0']);
  });

  test('lots that do not add up to their level, or are not what their ledger says', async () => {
    await stockedByLot('R-1');
    await reserved('R-1', 4, 2, 'A');
    await behind(`UPDATE lot_stock SET on_hand = on_hand + 1, damaged = 2, reserved = 3 WHERE lot_id = 'A'`);
    expect(await found()).toEqual([
      'R-1 alpha - LOTS 30 31',
      'R-1 alpha A ON_HAND 11 10',
      'R-1 alpha A DAMAGED 2 0',
      'R-1 alpha A RESERVED 3 4',
    ]);
    await behind(`UPDATE lot_stock SET on_hand = on_hand - 1, damaged = 0, reserved = 4 WHERE lot_id = 'A'`);
    expect(await found()).toEqual([]);
    // Units that were booked at the level and into no lot.
    await behind(`UPDATE stock SET on_hand = on_hand + 7`);
    await behind(
      `INSERT INTO ledger_entries (sku, location_id, on_hand_delta, on_hand_after, reason, source, actor)
       VALUES ('R-1', 'alpha', 7, 37, 2, '', '')`,
    );
    expect(await found()).toEqual(['R-1 alpha - LOTS 37 30']);
  });

  test('a lot that is gone', async () => {
    await stockedByLot('R-1');
    await behind(`DELETE FROM lot_stock WHERE lot_id = 'B'`);
    expect(await found()).toEqual(['R-1 alpha - LOTS 30 10', 'R-1 alpha B ON_HAND 0 20']);
  });

  test('lots of an item that is not kept by lot', async () => {
    await stocked('R-1');
    await behind(`INSERT INTO lots VALUES ('R-1', 'X', now())`);
    await behind(`INSERT INTO lot_stock (sku, location_id, lot_id, on_hand) VALUES ('R-1', 'beta', 'X', 1)`);
    expect(await found()).toEqual(['R-1 beta - LOTS 10 1', 'R-1 beta X ON_HAND 1 0']);
  });
});

describe('pages', () => {
  test.each([1, 2, 3, 4, 100])('of %d tell the same', async (pageSize) => {
    await stocked('R-1');
    await stocked('R-3');
    await stocked('R-2');
    await behind(`UPDATE stock SET on_hand = on_hand + 1 WHERE sku = 'R-3' OR location_id = 'beta'`);
    await behind(`DELETE FROM stock WHERE sku = 'R-2' AND location_id = 'alpha'`);
    await behind(
      `WITH made AS (INSERT INTO reservations (state, expire_time, reference) VALUES (2, now(), '') RETURNING reservation_id)
       INSERT INTO allocations (reservation_id, sku, location_id, quantity)
       SELECT reservation_id, sku, 'aaa', 1 FROM made, unnest('{R-1,R-2,R-9}'::text[]) AS sku`,
    );
    expect(await found(pageSize)).toEqual([
      'R-1 aaa - RESERVED 0 1',
      'R-1 beta - ON_HAND 11 10',
      'R-2 aaa - RESERVED 0 1',
      'R-2 alpha - ON_HAND 0 26',
      'R-2 alpha - DAMAGED 0 4',
      'R-2 alpha - QUALITY_CONTROL 0 5',
      'R-2 alpha - INCOMING 0 6',
      'R-2 alpha - SAFETY 0 2',
      'R-2 beta - ON_HAND 11 10',
      'R-3 alpha - ON_HAND 27 26',
      'R-3 beta - ON_HAND 11 10',
      'R-9 aaa - RESERVED 0 1',
    ]);
    expect(await found(pageSize, 'R-2')).toHaveLength(7);
    expect(await found(pageSize, 'R-9')).toEqual(['R-9 aaa - RESERVED 0 1']);
    expect(await found(pageSize, 'R-8')).toEqual([]);
  });

  test('belong to their query', async () => {
    await stocked('R-1');
    const { nextPageToken } = await inventory.stock.reconcileStock({ pageSize: 1 });
    expect(nextPageToken).not.toBe('');
    const other = inventory.stock.reconcileStock({ pageSize: 1, pageToken: nextPageToken, sku: 'R-1' });
    expect(await reasonFrom(other)).toBe('PAGE_TOKEN_INVALID');
    expect(await reasonFrom(inventory.stock.reconcileStock({ pageToken: 'x' }))).toBe('PAGE_TOKEN_INVALID');
    for (const pageSize of [-1, 10_001]) {
      const fields = fieldViolationsOf(await failure(inventory.stock.reconcileStock({ pageSize })));
      expect(fields.map(({ field }) => field)).toEqual(['page_size']);
    }
  });

  test('hold no more discrepancies than a message can, and still tell all', async () => {
    await addItem(inventory, { sku: 'R-1' });
    await behind(
      `INSERT INTO ledger_entries (sku, location_id, on_hand_delta, on_hand_after, damaged_delta, quality_control_delta, incoming_delta, reason, source, actor)
       SELECT 'R-1', 'p-' || n, 1, 1, 1, 1, 1, 2, '', '' FROM generate_series(1, 3000) n`,
    );
    const { discrepancies, comparedCount } = await inventory.stock.reconcileStock({ pageSize: 10_000 });
    expect(comparedCount).toBe(1_000n);
    expect(discrepancies).toHaveLength(4_000);
    expect(await found(10_000)).toHaveLength(12_000);
  });
});
