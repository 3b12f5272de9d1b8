/**
 * TransferService through its RPCs: units are conserved in every state, by lot, for deleted items and closed locations, and whoever races.
 */

import { randomUUID } from 'node:crypto';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { TransferState } from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { listStatement } from '../src/transfers/transfer.ts';
import { addItem, addLocation, addStock, levelAt, NEVER_MS, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

const { DRAFT, SHIPPED, PARTLY_RECEIVED, RECEIVED, CANCELLED } = TransferState;

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
  await addLocation(inventory, { locationId: 'alpha' });
  await addLocation(inventory, { locationId: 'beta' });
});
afterAll(async () => {
  await checkInvariants(inventory.pool);
  await inventory.stop();
});

let skus = 0;
async function newItem(units = 0, fields: { lotTracked?: boolean } = {}): Promise<string> {
  skus += 1;
  const sku = `T-${skus}`;
  await addItem(inventory, { sku, ...fields });
  if (units > 0) {
    await addStock(inventory, sku, 'alpha', units);
  }
  return sku;
}

const addLot = (sku: string, lotId: string, units: number, locationId = 'alpha') =>
  inventory.stock.adjustStock({
    requestId: requestId(),
    sku,
    locationId,
    lotId,
    lotExpireTime: timestampFromDate(new Date('2090-01-01T00:00:00Z')),
    delta: BigInt(units),
    reason: StockReason.RECEIVED,
  });

type Line = { sku: string; lotId?: string; quantity: bigint };
type DraftFields = { requestId?: string; sourceLocationId?: string; destinationLocationId?: string };
const draft = (lines: Line[], fields: DraftFields = {}) =>
  inventory.transfers.createTransfer({
    requestId: requestId(),
    sourceLocationId: 'alpha',
    destinationLocationId: 'beta',
    lines,
    ...fields,
  });
const draftId = async (lines: Line[], fields: DraftFields = {}) =>
  (await draft(lines, fields)).transfer?.transferId ?? '';
const ship = (transferId: string) => inventory.transfers.shipTransfer({ requestId: requestId(), transferId });
const cancel = (transferId: string) => inventory.transfers.cancelTransfer({ requestId: requestId(), transferId });
const receive = (transferId: string, sku: string, accepted: number, rejected = 0, lotId = '') =>
  inventory.transfers.receiveTransfer({
    requestId: requestId(),
    transferId,
    lines: [{ sku, lotId, acceptedQuantity: BigInt(accepted), rejectedQuantity: BigInt(rejected) }],
  });
async function shipped(sku: string, units: number, fields: DraftFields = {}): Promise<string> {
  const transferId = await draftId([{ sku, quantity: BigInt(units) }], fields);
  await ship(transferId);
  return transferId;
}

/** On hand at alpha; on hand, damaged and incoming at beta. */
async function units(sku: string): Promise<number[]> {
  const [alpha, beta] = await Promise.all([levelAt(inventory, sku, 'alpha'), levelAt(inventory, sku, 'beta')]);
  return [alpha?.onHand, beta?.onHand, beta?.damaged, beta?.incoming].map((one) => Number(one ?? 0n));
}

describe('one after the other', () => {
  test('drafted, shipped, received in parts with rejects', async () => {
    const sku = await newItem(10);
    const { transfer } = await draft([{ sku, quantity: 7n }]);
    expect(transfer).toMatchObject({ state: DRAFT, lines: [{ sku, lotId: '', quantity: 7n }] });
    expect(transfer?.shipTime).toBeUndefined();
    const transferId = transfer?.transferId ?? '';
    expect(await units(sku)).toEqual([10, 0, 0, 0]);
    const sent = await ship(transferId);
    expect(sent.transfer?.state).toBe(SHIPPED);
    expect(sent.transfer?.shipTime).toBeDefined();
    expect(await units(sku)).toEqual([3, 0, 0, 7]);
    expect((await receive(transferId, sku, 3, 1)).transfer?.state).toBe(PARTLY_RECEIVED);
    expect(await units(sku)).toEqual([3, 4, 1, 3]);
    const error = await failure(receive(transferId, sku, 3, 1));
    expect([reasonOf(error), metadataOf(error).on_the_way]).toEqual(['TRANSFER_EXCEEDED', '3']);
    expect(await reasonFrom(receive(transferId, sku, 0))).toBe('TRANSFER_LINES_INVALID');
    const { transfer: done } = await receive(transferId, sku, 3);
    expect(done).toMatchObject({ state: RECEIVED, lines: [{ acceptedQuantity: 6n, rejectedQuantity: 1n }] });
    expect(await units(sku)).toEqual([3, 7, 1, 0]);
    expect((await inventory.transfers.getTransfer({ transferId })).transfer).toEqual(done);
    const late = [ship(transferId), cancel(transferId), receive(transferId, sku, 1)];
    expect(new Set(await Promise.all(late.map(reasonFrom)))).toEqual(new Set(['TRANSFER_STATE']));
    expect(await units(sku)).toEqual([3, 7, 1, 0]);
  });

  test('a cancelled one gives back what has not come in, once', async () => {
    const sku = await newItem(10);
    const transferId = await shipped(sku, 8);
    await receive(transferId, sku, 2, 1);
    const { transfer } = await cancel(transferId);
    expect(transfer).toMatchObject({ state: CANCELLED, lines: [{ returnedQuantity: 5n }] });
    expect(await units(sku)).toEqual([7, 3, 1, 0]);
    expect((await cancel(transferId)).transfer).toEqual(transfer);
    expect(await units(sku)).toEqual([7, 3, 1, 0]);
    const drafted = await draftId([{ sku, quantity: 1n }]);
    expect((await cancel(drafted)).transfer).toMatchObject({ state: CANCELLED, lines: [{ returnedQuantity: 0n }] });
    expect(await reasonFrom(ship(drafted))).toBe('TRANSFER_STATE');
  });

  test('ships all lines or none, and nothing that is promised', async () => {
    const [plenty, scarce] = [await newItem(10), await newItem(5)];
    await inventory.reservations.createReservation({
      requestId: requestId(),
      lines: [{ sku: scarce, quantity: 3n }],
      ttl: { seconds: 600n, nanos: 0 },
    });
    const transferId = await draftId([
      { sku: plenty, quantity: 4n },
      { sku: scarce, quantity: 3n },
    ]);
    const error = await failure(ship(transferId));
    expect(reasonOf(error)).toBe('INSUFFICIENT_STOCK');
    expect(metadataOf(error)).toMatchObject({ sku: scarce, location_id: 'alpha', requested: '3', available: '2' });
    expect(await units(plenty)).toEqual([10, 0, 0, 0]);
    expect((await inventory.transfers.getTransfer({ transferId })).transfer?.state).toBe(DRAFT);
  });

  test('goes by lot', async () => {
    const sku = await newItem(0, { lotTracked: true });
    await addLot(sku, 'L1', 5);
    await addLot(sku, 'L2', 5);
    expect(await reasonFrom(draft([{ sku, quantity: 1n }]))).toBe('LOT_REQUIRED');
    expect(await reasonFrom(draft([{ sku, lotId: 'L9', quantity: 1n }]))).toBe('LOT_NOT_FOUND');
    const tooMuch = await draftId([{ sku, lotId: 'L1', quantity: 6n }]);
    expect(metadataOf(await failure(ship(tooMuch)))).toMatchObject({ lot_id: 'L1', available: '5' });
    const transferId = await draftId([
      { sku, lotId: 'L1', quantity: 5n },
      { sku, lotId: 'L2', quantity: 2n },
    ]);
    await ship(transferId);
    expect(await reasonFrom(receive(transferId, sku, 3, 0, 'L2'))).toBe('TRANSFER_EXCEEDED');
    expect(await reasonFrom(receive(transferId, sku, 1))).toBe('TRANSFER_EXCEEDED');
    await receive(transferId, sku, 3, 1, 'L1');
    await cancel(transferId);
    const lots = async (locationId: string) =>
      (await levelAt(inventory, sku, locationId))?.lots.map((lot) => [lot.lotId, lot.onHand, lot.damaged]);
    expect(await lots('alpha')).toEqual([
      ['L1', 1n, 0n],
      ['L2', 5n, 0n],
    ]);
    expect(await lots('beta')).toEqual([['L1', 4n, 1n]]);
  });

  test('goods under way arrive or go back though their item is deleted and both locations are closed', async () => {
    await addLocation(inventory, { locationId: 'gamma' });
    await addLocation(inventory, { locationId: 'delta' });
    const sku = await newItem();
    await addStock(inventory, sku, 'gamma', 6);
    const between = { sourceLocationId: 'gamma', destinationLocationId: 'delta' };
    const [first, second] = [await shipped(sku, 2, between), await shipped(sku, 3, between)];
    const third = await draftId([{ sku, quantity: 1n }], between);
    await inventory.items.deleteItem({ requestId: requestId(), sku });
    for (const locationId of ['gamma', 'delta']) {
      await inventory.locations.updateLocation({
        requestId: requestId(),
        location: { locationId, deactivated: true },
        updateMask: { paths: ['deactivated'] },
      });
      expect(await reasonFrom(inventory.locations.deleteLocation({ requestId: requestId(), locationId }))).toBe(
        'LOCATION_HOLDS_STOCK',
      );
    }
    await receive(first, sku, 2);
    await cancel(second);
    await ship(third);
    await receive(third, sku, 1);
    const { rows } = await inventory.pool.query(
      'SELECT location_id, on_hand::int, incoming::int FROM stock WHERE sku = $1 ORDER BY location_id',
      [sku],
    );
    expect(rows).toEqual([
      { location_id: 'delta', on_hand: 3, incoming: 0 },
      { location_id: 'gamma', on_hand: 3, incoming: 0 },
    ]);
  });
});

describe('a draft that is cancelled moves nothing', () => {
  test('also again when its location is gone', async () => {
    await addLocation(inventory, { locationId: 'brief' });
    const transferId = await draftId([{ sku: await newItem(1), quantity: 1n }], { destinationLocationId: 'brief' });
    const { transfer } = await cancel(transferId);
    await inventory.locations.deleteLocation({ requestId: requestId(), locationId: 'brief' });
    expect((await cancel(transferId)).transfer).toEqual(transfer);
    expect(await reasonFrom(ship(transferId))).toBe('TRANSFER_STATE');
  });

  test('nor makes levels of an item that is a kit by now', async () => {
    const [sku, part] = [await newItem(), await newItem(1)];
    const transferId = await draftId([{ sku, quantity: 1n }]);
    await inventory.items.updateItem({
      requestId: requestId(),
      item: { sku, components: [{ sku: part, quantity: 1n }] },
      updateMask: { paths: ['components'] },
    });
    await cancel(transferId);
    expect((await inventory.pool.query('SELECT FROM stock WHERE sku = $1', [sku])).rowCount).toBe(0);
  });
});

describe('what is refused changes nothing', () => {
  test.each([
    ['the same location twice', { destinationLocationId: 'alpha' }, {}, 'TRANSFER_LINES_INVALID'],
    ['an unknown source', { sourceLocationId: 'nowhere' }, {}, 'LOCATION_NOT_FOUND'],
    ['an unknown destination', { destinationLocationId: 'nowhere' }, {}, 'LOCATION_NOT_FOUND'],
    ['an unknown item', {}, { sku: 'NO-SUCH' }, 'ITEM_NOT_FOUND'],
    ['a lot of an item without lots', {}, { lotId: 'L1' }, 'LOT_UNEXPECTED'],
  ])('%s', async (_what, fields, line, reason) => {
    const sku = await newItem(1);
    expect(await reasonFrom(draft([{ sku, quantity: 1n, ...line }], fields))).toBe(reason);
    expect((await inventory.pool.query('SELECT FROM transfer_lines WHERE sku = $1', [sku])).rowCount).toBe(0);
  });

  test('a line twice, a kit, a closed destination', async () => {
    const sku = await newItem(1);
    const line = { sku, quantity: 1n };
    expect(await reasonFrom(draft([line, line]))).toBe('TRANSFER_LINES_INVALID');
    const kit = `${sku}-KIT`;
    await addItem(inventory, { sku: kit, components: [{ sku, quantity: 1n }] });
    expect(await reasonFrom(draft([{ sku: kit, quantity: 1n }]))).toBe('KIT_HAS_NO_STOCK');
    await addLocation(inventory, { locationId: 'closed', deactivated: true });
    expect(await reasonFrom(draft([line], { destinationLocationId: 'closed' }))).toBe('LOCATION_DEACTIVATED');
  });

  test('ids that nothing has', async () => {
    const transferId = randomUUID();
    const calls = [
      ship(transferId),
      cancel(transferId),
      receive(transferId, 'T', 1),
      inventory.transfers.getTransfer({ transferId }),
    ];
    expect(new Set(await Promise.all(calls.map(reasonFrom)))).toEqual(new Set(['TRANSFER_NOT_FOUND']));
  });

  test.each([
    ['no units', { quantity: 0n }, 'lines[0].quantity'],
    ['fewer than none', { quantity: -1n }, 'lines[0].quantity'],
    ['more than an int64 is for', { quantity: 2n ** 63n - 1n }, 'lines[0].quantity'],
    ['no SKU', { sku: '' }, 'lines[0].sku'],
    ['a lot that is none', { lotId: ' ' }, 'lines[0].lot_id'],
  ])('%s', async (_what, changes, field) => {
    const error = await failure(draft([{ sku: 'T', quantity: 1n, ...changes }]));
    expect(reasonOf(error)).toBe('INVALID_FIELD');
    expect(fieldViolationsOf(error).map((violation) => violation.field)).toEqual([field]);
  });

  test('more than may be on the way', async () => {
    const sku = await newItem(1);
    const most = 1_000_000_000_000n;
    await inventory.pool.query("INSERT INTO stock (sku, location_id, incoming) VALUES ($1, 'beta', $2)", [sku, most]);
    expect(await reasonFrom(ship(await draftId([{ sku, quantity: 1n }])))).toBe('QUANTITY_OUT_OF_RANGE');
    expect(await units(sku)).toEqual([1, 0, 0, Number(most)]);
    await inventory.pool.query("DELETE FROM stock WHERE sku = $1 AND location_id = 'beta'", [sku]);
  });

  test('a repeated request gets the first response, another body is refused', async () => {
    const sku = await newItem(5);
    const transferId = await shipped(sku, 5);
    const lines = [{ sku, acceptedQuantity: 2n }];
    const request = { requestId: requestId(), transferId, lines };
    const first = await inventory.transfers.receiveTransfer(request);
    expect(await inventory.transfers.receiveTransfer(request)).toEqual(first);
    expect(await units(sku)).toEqual([0, 2, 0, 3]);
    const other = { ...request, lines: [{ sku, acceptedQuantity: 3n }] };
    expect(await reasonFrom(inventory.transfers.receiveTransfer(other))).toBe('REQUEST_ID_REUSED');
  });
});

describe('at once', () => {
  test('many receive and one cancels: no unit is lost or comes twice', async () => {
    const sku = await newItem(20);
    const transferId = await shipped(sku, 20);
    const calls = Array.from({ length: 24 }, (_, index) => receive(transferId, sku, index % 2, (index + 1) % 2));
    const reasons = await Promise.all([...calls.slice(0, 12), cancel(transferId), ...calls.slice(12)].map(reasonFrom));
    for (const reason of reasons) {
      expect([undefined, 'TRANSFER_STATE', 'TRANSFER_EXCEEDED']).toContain(reason);
    }
    const [alpha = 0, beta = 0, , incoming] = await units(sku);
    expect([alpha + beta, incoming]).toEqual([20, 0]);
    const { transfer } = await inventory.transfers.getTransfer({ transferId });
    const [line] = transfer?.lines ?? [];
    expect([line?.returnedQuantity, (line?.acceptedQuantity ?? 0n) + (line?.rejectedQuantity ?? 0n)]).toEqual([
      BigInt(alpha),
      BigInt(beta),
    ]);
  });

  test('of many who receive all of it, one does', async () => {
    const sku = await newItem(5);
    const transferId = await shipped(sku, 5);
    const reasons = await Promise.all(Array.from({ length: 10 }, () => reasonFrom(receive(transferId, sku, 5))));
    expect(reasons.filter((reason) => reason === undefined)).toHaveLength(1);
    expect(await units(sku)).toEqual([0, 5, 0, 0]);
  });

  test('the last unit is shipped or reserved, never both', async () => {
    for (let round = 0; round < 5; round += 1) {
      const sku = await newItem(1);
      const transferId = await draftId([{ sku, quantity: 1n }]);
      const reserve = inventory.reservations.createReservation({
        requestId: requestId(),
        lines: [{ sku, quantity: 1n }],
        ttl: { seconds: 600n, nanos: 0 },
      });
      const reasons = await Promise.all([reasonFrom(ship(transferId)), reasonFrom(reserve)]);
      expect(reasons.toSorted()).toEqual(['INSUFFICIENT_STOCK', undefined]);
    }
  });

  test('transfers there and back in opposite orders deadlock for nobody', async () => {
    const [a, b] = [await newItem(50), await newItem(50)];
    await addStock(inventory, a, 'beta', 50);
    await addStock(inventory, b, 'beta', 50);
    const back = { sourceLocationId: 'beta', destinationLocationId: 'alpha' };
    const lines = [
      { sku: a, quantity: 1n },
      { sku: b, quantity: 1n },
    ];
    const tripOf = async (index: number) => {
      const ordered = index % 4 < 2 ? lines : lines.toReversed();
      const transferId = await draftId(ordered, index % 2 === 0 ? {} : back);
      await ship(transferId);
      await (index % 3 === 0 ? cancel(transferId) : receive(transferId, index % 2 === 0 ? a : b, 1));
    };
    const reasons = await Promise.all(Array.from({ length: 40 }, (_, index) => reasonFrom(tripOf(index))));
    expect(reasons.filter((reason) => reason !== undefined)).toEqual([]);
  });
});

describe('lists', () => {
  test('a page of transfers of many lines can be sent, and the next goes on', async () => {
    await addLocation(inventory, { locationId: 'long-list' });
    const sku = 'L'.repeat(64);
    // Drafts as large as they may be, with names as long as they may be.
    await inventory.pool.query(
      `WITH made AS (
         INSERT INTO transfers (state, source_location_id, destination_location_id, reference)
         SELECT 1, 'alpha', 'long-list', '' FROM generate_series(1, 60) RETURNING transfer_id)
       INSERT INTO transfer_lines (transfer_id, sku, lot_id, quantity)
       SELECT transfer_id, $1, lpad(n::text, 64, 'L'), 1000000000 FROM made, generate_series(1, 500) n`,
      [sku],
    );
    const found = new Set<string>();
    let [pages, pageToken] = [0, ''];
    do {
      const page = await inventory.transfers.listTransfers({ locationId: 'long-list', pageSize: 200, pageToken });
      for (const { transferId, lines } of page.transfers) {
        expect(lines).toHaveLength(500);
        found.add(transferId);
      }
      [pages, pageToken] = [pages + 1, page.nextPageToken];
    } while (pageToken !== '');
    expect([found.size, pages]).toEqual([60, 3]);
    await inventory.pool.query("DELETE FROM transfers WHERE destination_location_id = 'long-list'");
  });

  test('by state and by either side, newest first, page by page', async () => {
    await addLocation(inventory, { locationId: 'list-a' });
    await addLocation(inventory, { locationId: 'list-b' });
    const sku = await newItem();
    await addStock(inventory, sku, 'list-a', 100);
    await addStock(inventory, sku, 'list-b', 100);
    const ids: string[] = [];
    for (let index = 0; index < 7; index += 1) {
      const [source, destination] = index % 2 === 0 ? ['list-a', 'list-b'] : ['list-b', 'list-a'];
      const between = { sourceLocationId: source, destinationLocationId: destination };
      ids.unshift(await draftId([{ sku, quantity: 1n }], between));
    }
    for (const transferId of [ids[1] ?? '', ids[4] ?? '']) {
      await ship(transferId);
    }
    const all = async (query: { state?: TransferState; locationId?: string }) => {
      const found: string[] = [];
      let pageToken = '';
      do {
        const page = await inventory.transfers.listTransfers({ ...query, pageSize: 2, pageToken });
        found.push(...page.transfers.map(({ transferId }) => transferId));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return found;
    };
    expect(await all({ locationId: 'list-a' })).toEqual(ids);
    expect(await all({ locationId: 'list-b', state: SHIPPED })).toEqual([ids[1], ids[4]]);
    expect(await all({ locationId: 'list-c' })).toEqual([]);
    expect((await all({})).slice(0, 7)).toEqual(ids);
    const { nextPageToken } = await inventory.transfers.listTransfers({ pageSize: 1 });
    for (const query of [
      { pageToken: nextPageToken, state: SHIPPED },
      { pageToken: nextPageToken, locationId: 'list-a' },
      { pageToken: 'nonsense' },
    ]) {
      expect(await reasonFrom(inventory.transfers.listTransfers(query))).toBe('PAGE_TOKEN_INVALID');
    }
  });

  test.each([
    ['all', 0, '', ['transfers_pkey']],
    ['a state', SHIPPED, '', ['transfers_state_transfer_id_idx']],
    [
      'a location',
      0,
      'alpha',
      ['transfers_source_location_id_transfer_id_idx', 'transfers_destination_location_id_transfer_id_idx'],
    ],
  ])('%s is read from an index, in its order', async (_what, state, locationId, indexes) => {
    const before = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    const { text, values } = listStatement({ state, locationId, before, limit: 51 });
    const client = await inventory.pool.connect();
    try {
      await client.query('BEGIN');
      // Tables of tests are so small that a scan is cheapest; the question is whether the index can serve.
      await client.query(
        'SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off',
      );
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      for (const index of indexes) {
        expect(plan).toContain(index);
      }
      expect(plan).not.toContain('Seq Scan on transfers');
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });
});
