/**
 * Cycle counts through the real RPC, from opening to approval: what is booked, what is listed, and what is refused. Beside it,
 * counts-moving.test.ts has what happens to stock and items meanwhile.
 */

import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { CountState } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addLot, approve, instant, type Lines, newItem, openCount, shown, submit } from './counting.ts';
import { addLocation, addStock, levelAt, NEVER_MS, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

const { OPEN, SUBMITTED, APPROVED } = CountState;

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
  await addLocation(inventory, { locationId: 'alpha' });
});
afterAll(async () => {
  await checkInvariants(inventory.pool);
  await inventory.stop();
});

describe('a count', () => {
  test('is opened, filled, approved, and books what differs', async () => {
    const [more, less, same, uncounted] = [
      await newItem(inventory),
      await newItem(inventory),
      await newItem(inventory),
      await newItem(inventory),
    ];
    for (const sku of [more, less, same, uncounted]) {
      await addStock(inventory, sku, 'alpha', 10);
    }
    const opened = await inventory.counts.createCount({
      requestId: requestId(),
      locationId: 'alpha',
      skus: [uncounted, same, less, more],
      reference: 'aisle 7',
    });
    expect(opened.count).toMatchObject({
      state: OPEN,
      locationId: 'alpha',
      skus: [more, less, same, uncounted],
      lines: [],
      reference: 'aisle 7',
    });
    expect(opened.count?.approveTime).toBeUndefined();
    const countId = opened.count?.countId ?? '';
    expect(await reasonFrom(approve(inventory, countId))).toBe('COUNT_STATE');

    const submitted = await submit(inventory, countId, [
      { sku: same, countedQuantity: 10n },
      { sku: less, countedQuantity: 7n },
      { sku: more, countedQuantity: 15n },
    ]);
    const lines = [
      [more, 10n, 15n, 5n],
      [less, 10n, 7n, -3n],
      [same, 10n, 10n, 0n],
    ];
    expect(submitted.count?.state).toBe(SUBMITTED);
    expect(shown(submitted.count?.lines)).toEqual(lines);
    expect(submitted.count?.lines.map(({ actor }) => actor)).toEqual(['shipping', 'shipping', 'shipping']);
    expect(await levelAt(inventory, more, 'alpha')).toMatchObject({ onHand: 10n });

    const approved = await approve(inventory, countId);
    expect(approved.count).toMatchObject({ state: APPROVED, reference: 'aisle 7' });
    expect(approved.count?.approveTime).toBeDefined();
    expect(shown(approved.count?.lines)).toEqual(lines);
    expect((await inventory.counts.getCount({ countId })).count).toEqual(approved.count);
    const onHand = await Promise.all(
      [more, less, same, uncounted].map(async (sku) => (await levelAt(inventory, sku, 'alpha'))?.onHand),
    );
    expect(onHand).toEqual([15n, 7n, 10n, 10n]);
    const { ledgerEntries } = await inventory.stock.listLedgerEntries({ sku: less });
    expect(ledgerEntries[0]).toMatchObject({
      onHandDelta: -3n,
      onHandAfter: 7n,
      reason: StockReason.COUNTED,
      source: countId,
      actor: 'shipping',
    });
    // What does not differ is not booked.
    expect((await inventory.stock.listLedgerEntries({ sku: same })).ledgerEntries).toHaveLength(1);
  });

  test('books against what the books had at the time of counting', async () => {
    const sku = await newItem(inventory);
    await addStock(inventory, sku, 'alpha', 10);
    const countId = await openCount(inventory, [sku]);
    await addStock(inventory, sku, 'alpha', 5);
    const countTime = await instant(inventory);
    await addStock(inventory, sku, 'alpha', -4);
    const { count } = await submit(inventory, countId, [
      { sku, countedQuantity: 14n, countTime: timestampFromDate(countTime) },
    ]);
    expect(shown(count?.lines)).toEqual([[sku, 15n, 14n, -1n]]);
    expect(count?.lines[0]?.countTime).toEqual(timestampFromDate(countTime));
    await addStock(inventory, sku, 'alpha', 100);
    expect(shown((await approve(inventory, countId)).count?.lines)).toEqual([[sku, 15n, 14n, -1n]]);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 110n });
  });

  test('takes a recount in place of the line before, and other lines beside it', async () => {
    const [one, other] = [await newItem(inventory), await newItem(inventory)];
    const countId = await openCount(inventory, [one, other]);
    await submit(inventory, countId, [{ sku: one, countedQuantity: 3n }]);
    await addStock(inventory, one, 'alpha', 2);
    await submit(inventory, countId, [{ sku: other, countedQuantity: 8n }]);
    const { count } = await submit(inventory, countId, [{ sku: one, countedQuantity: 4n }]);
    expect(shown(count?.lines)).toEqual([
      [one, 2n, 4n, 2n],
      [other, 0n, 8n, 8n],
    ]);
    await approve(inventory, countId);
    expect(await levelAt(inventory, one, 'alpha')).toMatchObject({ onHand: 4n });
    expect(await levelAt(inventory, other, 'alpha')).toMatchObject({ onHand: 8n });
  });

  test('is final once approved', async () => {
    const sku = await newItem(inventory);
    const countId = await openCount(inventory, [sku]);
    await submit(inventory, countId, [{ sku, countedQuantity: 3n }]);
    await approve(inventory, countId);
    const second = await failure(approve(inventory, countId));
    expect([reasonOf(second), metadataOf(second)]).toEqual(['COUNT_STATE', { count_id: countId, state: 'APPROVED' }]);
    expect(await reasonFrom(submit(inventory, countId, [{ sku, countedQuantity: 9n }]))).toBe('COUNT_STATE');
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 3n });
  });
});

test('what lies at a location that is out of use is counted too', async () => {
  const sku = await newItem(inventory);
  await addLocation(inventory, { locationId: 'closed' });
  await addStock(inventory, sku, 'closed', 5);
  await inventory.locations.updateLocation({
    requestId: requestId(),
    location: { locationId: 'closed', deactivated: true },
    updateMask: { paths: ['deactivated'] },
  });
  const countId = await openCount(inventory, [sku], 'closed');
  await submit(inventory, countId, [{ sku, countedQuantity: 3n }]);
  await approve(inventory, countId);
  expect(await levelAt(inventory, sku, 'closed')).toMatchObject({ onHand: 3n });
});

describe('lots', () => {
  test('are counted lot by lot; what nobody counted stays', async () => {
    const sku = await newItem(inventory, { lotTracked: true });
    await addLot(inventory, sku, 'A', 10);
    await addLot(inventory, sku, 'B', 10);
    await addLot(inventory, sku, 'C', 10);
    const countId = await openCount(inventory, [sku]);
    const countTime = await instant(inventory);
    await addLot(inventory, sku, 'A', -2);
    await addLot(inventory, sku, 'B', 3);
    const { count } = await submit(inventory, countId, [
      { sku, lotId: 'B', countedQuantity: 9n, countTime: timestampFromDate(countTime) },
      { sku, lotId: 'A', countedQuantity: 11n, countTime: timestampFromDate(countTime) },
    ]);
    expect(shown(count?.lines)).toEqual([
      [`${sku}/A`, 10n, 11n, 1n],
      [`${sku}/B`, 10n, 9n, -1n],
    ]);
    await addLot(inventory, sku, 'B', -5);
    await approve(inventory, countId);
    const level = await levelAt(inventory, sku, 'alpha');
    expect(level?.onHand).toBe(26n);
    expect(Object.fromEntries(level?.lots.map(({ lotId, onHand }) => [lotId, onHand]) ?? [])).toEqual({
      A: 9n,
      B: 7n,
      C: 10n,
    });
    const { ledgerEntries } = await inventory.stock.listLedgerEntries({ sku });
    const counted = ledgerEntries.filter(({ reason }) => reason === StockReason.COUNTED);
    expect(counted.map(({ lotId, onHandDelta }) => [lotId, onHandDelta]).sort()).toEqual([
      ['A', 1n],
      ['B', -1n],
    ]);
  });

  test('that were known elsewhere only may be found here', async () => {
    const sku = await newItem(inventory, { lotTracked: true });
    await addLocation(inventory, { locationId: 'beta' });
    await addLot(inventory, sku, 'A', 1, 'beta');
    const countId = await openCount(inventory, [sku]);
    await submit(inventory, countId, [{ sku, lotId: 'A', countedQuantity: 4n }]);
    await approve(inventory, countId);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 4n, lots: [{ lotId: 'A', onHand: 4n }] });
  });

  test('must be named, known, and of an item that has them', async () => {
    const [sku, plain] = [await newItem(inventory, { lotTracked: true }), await newItem(inventory)];
    const countId = await openCount(inventory, [sku, plain]);
    const reason = (lines: Lines) => reasonFrom(submit(inventory, countId, lines));
    expect(await reason([{ sku, countedQuantity: 1n }])).toBe('LOT_REQUIRED');
    expect(await reason([{ sku: plain, lotId: 'A', countedQuantity: 1n }])).toBe('LOT_UNEXPECTED');
    expect(await reason([{ sku, lotId: 'NONE', countedQuantity: 1n }])).toBe('LOT_NOT_FOUND');
    expect((await inventory.counts.getCount({ countId })).count).toMatchObject({ state: OPEN, lines: [] });
  });
});

describe('refuses', () => {
  test('counts of what is not there, and of kits', async () => {
    const [sku, kit] = [await newItem(inventory), await newItem(inventory)];
    await inventory.items.updateItem({
      requestId: requestId(),
      item: { sku: kit, components: [{ sku, quantity: 1n }] },
      updateMask: { paths: ['components'] },
    });
    const reason = (skus: string[], locationId = 'alpha') =>
      reasonFrom(inventory.counts.createCount({ requestId: requestId(), locationId, skus }));
    expect(await reason([sku, 'C-NONE'])).toBe('ITEM_NOT_FOUND');
    expect(await reason([sku], 'nowhere')).toBe('LOCATION_NOT_FOUND');
    expect(await reason([sku, kit])).toBe('KIT_HAS_NO_STOCK');
    expect(await reason([sku, sku])).toBe('INVALID_FIELD');
    expect(await reason([])).toBe('INVALID_FIELD');
  });

  test('lines that are not of the count, that come twice, or that were counted at another time', async () => {
    const [sku, other] = [await newItem(inventory), await newItem(inventory)];
    const before = await instant(inventory);
    const countId = await openCount(inventory, [sku]);
    const refused = async (lines: Lines) => {
      const error = await failure(submit(inventory, countId, lines));
      return [reasonOf(error), metadataOf(error)];
    };
    const invalid = (what: object) => ['COUNT_LINE_INVALID', what];
    expect(await refused([{ sku: other, countedQuantity: 1n }])).toEqual(invalid({ sku: other }));
    expect(await refused([{ sku: 'C-NONE', countedQuantity: 1n }])).toEqual(invalid({ sku: 'C-NONE' }));
    expect(
      await refused([
        { sku, countedQuantity: 1n },
        { sku, countedQuantity: 1n },
      ]),
    ).toEqual(invalid({ sku }));
    const at = (date: Date) => [{ sku, countedQuantity: 1n, countTime: timestampFromDate(date) }];
    expect(await refused(at(before))).toEqual(invalid({ sku }));
    expect(await refused(at(new Date(Date.now() + 60_000)))).toEqual(invalid({ sku }));
    const error = await failure(
      submit(inventory, countId, [
        { sku, countedQuantity: 1n },
        { sku, countedQuantity: 1n, countTime: { seconds: 1n << 50n } },
      ]),
    );
    expect(fieldViolationsOf(error).map(({ field }) => field)).toEqual(['lines[1].count_time']);
    expect((await inventory.counts.getCount({ countId })).count).toMatchObject({ state: OPEN, lines: [] });
  });

  test('ids that no count has', async () => {
    const countId = requestId();
    const error = await failure(inventory.counts.getCount({ countId }));
    expect([reasonOf(error), metadataOf(error)]).toEqual(['COUNT_NOT_FOUND', { count_id: countId }]);
    expect(await reasonFrom(submit(inventory, countId, [{ sku: 'A', countedQuantity: 1n }]))).toBe('COUNT_NOT_FOUND');
    expect(await reasonFrom(approve(inventory, countId))).toBe('COUNT_NOT_FOUND');
  });

  test('to delete the location of a count that is open', async () => {
    const sku = await newItem(inventory);
    await addLocation(inventory, { locationId: 'gamma' });
    const countId = await openCount(inventory, [sku], 'gamma');
    const deletion = () => inventory.locations.deleteLocation({ requestId: requestId(), locationId: 'gamma' });
    expect(metadataOf(await failure(deletion()))).toMatchObject({ open_counts: '1' });
    await submit(inventory, countId, [{ sku, countedQuantity: 0n }]);
    expect(metadataOf(await failure(deletion()))).toMatchObject({ open_counts: '1' });
    await approve(inventory, countId);
    await deletion();
    expect((await inventory.counts.getCount({ countId })).count).toMatchObject({ state: APPROVED });
    expect(await reasonFrom(approve(inventory, countId))).toBe('COUNT_STATE');
  });
});

test('counts are listed without lines, newest first, by state and location, a page at a time', async () => {
  const sku = await newItem(inventory);
  await addLocation(inventory, { locationId: 'list-1' });
  await addLocation(inventory, { locationId: 'list-2' });
  const [first, second, third, elsewhere] = [
    await openCount(inventory, [sku], 'list-1'),
    await openCount(inventory, [sku], 'list-1'),
    await openCount(inventory, [sku], 'list-1'),
    await openCount(inventory, [sku], 'list-2'),
  ];
  await submit(inventory, second, [{ sku, countedQuantity: 1n }]);
  const ids = async (query: Parameters<TestInventory['counts']['listCounts']>[0]) =>
    (await inventory.counts.listCounts(query)).counts.map(({ countId }) => countId);
  expect((await ids({})).slice(0, 4)).toEqual([elsewhere, third, second, first]);
  expect(await ids({ locationId: 'list-1', state: OPEN })).toEqual([third, first]);
  expect(await ids({ locationId: 'list-1', state: SUBMITTED })).toEqual([second]);
  const query = { locationId: 'list-1', pageSize: 2 };
  const page = await inventory.counts.listCounts(query);
  expect(page.counts).toMatchObject([
    { countId: third, lines: [] },
    { countId: second, lines: [] },
  ]);
  expect(await ids({ ...query, pageToken: page.nextPageToken })).toEqual([first]);
  expect(
    await reasonFrom(inventory.counts.listCounts({ pageSize: 2, locationId: 'list-2', pageToken: page.nextPageToken })),
  ).toBe('PAGE_TOKEN_INVALID');
});

describe('repeated', () => {
  test('each answers the same and does nothing again; with another body it is refused', async () => {
    const sku = await newItem(inventory);
    const create = { requestId: requestId(), locationId: 'alpha', skus: [sku] };
    const created = await inventory.counts.createCount(create);
    expect(await inventory.counts.createCount(create)).toEqual(created);
    expect(await reasonFrom(inventory.counts.createCount({ ...create, reference: 'x' }))).toBe('REQUEST_ID_REUSED');
    const countId = created.count?.countId ?? '';
    const submission = { requestId: requestId(), countId, lines: [{ sku, countedQuantity: 5n }] };
    const submitted = await inventory.counts.submitCount(submission);
    await addStock(inventory, sku, 'alpha', 1);
    expect(await inventory.counts.submitCount(submission)).toEqual(submitted);
    const other = { ...submission, lines: [{ sku, countedQuantity: 6n }] };
    expect(await reasonFrom(inventory.counts.submitCount(other))).toBe('REQUEST_ID_REUSED');
    const approval = { requestId: requestId(), countId };
    const approved = await inventory.counts.approveCount(approval);
    expect(await inventory.counts.approveCount(approval)).toEqual(approved);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 6n });
  });

  test('by ten approvers at once, differences are booked once', async () => {
    const sku = await newItem(inventory);
    await addStock(inventory, sku, 'alpha', 10);
    const countId = await openCount(inventory, [sku]);
    await submit(inventory, countId, [{ sku, countedQuantity: 12n }]);
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => reasonFrom(approve(inventory, countId))));
    expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'COUNT_STATE')).toHaveLength(9);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 12n });
  });
});

describe('the largest', () => {
  const LOTS = ['L1', 'L2'];
  const thousand = Array.from({ length: 1_000 }, (_, index) => `CC-${`${index}`.padStart(4, '0')}`);
  beforeAll(async () => {
    const like = await newItem(inventory, { lotTracked: true });
    const { rows } = await inventory.pool.query<{ columns: string }>(
      `SELECT string_agg(quote_ident(column_name), ', ') AS columns FROM information_schema.columns
       WHERE table_name = 'items' AND column_name NOT IN ('sku', 'etag')`,
    );
    const columns = rows[0]?.columns ?? '';
    await inventory.pool.query(
      `INSERT INTO items (sku, ${columns}) SELECT n.sku, ${columns} FROM items, unnest($2::text[]) AS n(sku) WHERE items.sku = $1`,
      [like, thousand],
    );
    await inventory.pool.query(
      `INSERT INTO lots (sku, lot_id, expire_time)
       SELECT sku, lot_id, '2100-01-01' FROM unnest($1::text[]) AS s(sku), unnest($2::text[]) AS l(lot_id)`,
      [thousand, [...LOTS, 'L3']],
    );
  });

  test('count has 2,000 lines, and not one more', async () => {
    const countId = await openCount(inventory, thousand);
    for (const [index, lotId] of LOTS.entries()) {
      await submit(
        inventory,
        countId,
        thousand.map((sku) => ({ sku, lotId, countedQuantity: BigInt(index + 1) })),
      );
    }
    const [sku = ''] = thousand;
    const one = [{ sku, lotId: 'L3', countedQuantity: 1n }];
    expect(await reasonFrom(submit(inventory, countId, one))).toBe('COUNT_LINE_INVALID');
    await submit(inventory, countId, [{ sku, lotId: 'L2', countedQuantity: 6n }]);
    const { count } = await approve(inventory, countId);
    expect(count?.lines).toHaveLength(2_000);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 7n });
    const { rows } = await inventory.pool.query<{ units: bigint }>(
      "SELECT sum(on_hand)::bigint AS units FROM stock WHERE sku LIKE 'CC-%'",
    );
    expect(rows[0]?.units).toBe(3_004n);
  });

  test('page is cut so that it can be sent', async () => {
    await addLocation(inventory, { locationId: 'large' });
    const ids: string[] = [];
    for (let i = 0; i < 41; i += 1) {
      ids.push(await openCount(inventory, thousand, 'large'));
    }
    const query = { locationId: 'large', pageSize: 200 };
    const page = await inventory.counts.listCounts(query);
    const rest = await inventory.counts.listCounts({ ...query, pageToken: page.nextPageToken });
    expect([page.counts.length, rest.counts.length, rest.nextPageToken]).toEqual([40, 1, '']);
    expect([...page.counts, ...rest.counts].map(({ countId }) => countId)).toEqual(ids.toReversed());
  });
});
