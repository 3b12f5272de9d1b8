/**
 * Cycle counts through the real RPC: what people counted is booked against what the books had when they counted, however the stock moved
 * before and since.
 */

import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type CountLine, CountState } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { StockReason, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, reasonFrom, requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, addLocation, addStock, levelAt, NEVER_MS, startInventory, type TestInventory } from './harness.ts';
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

let skus = 0;
async function newItem(fields: Partial<Parameters<typeof addItem>[1]> = {}): Promise<string> {
  skus += 1;
  const sku = `C-${`${skus}`.padStart(4, '0')}`;
  await addItem(inventory, { ...fields, sku });
  return sku;
}

async function openCount(of: readonly string[], locationId = 'alpha'): Promise<string> {
  const { count } = await inventory.counts.createCount({ requestId: requestId(), locationId, skus: [...of] });
  return count?.countId ?? '';
}

type Lines = NonNullable<Parameters<TestInventory['counts']['submitCount']>[0]['lines']>;
const submit = (countId: string, lines: Lines) =>
  inventory.counts.submitCount({ requestId: requestId(), countId, lines });
const approve = (countId: string) => inventory.counts.approveCount({ requestId: requestId(), countId });

const EXPIRY = { seconds: 4_000_000_000n };
const adjustLot = (sku: string, lotId: string, delta: number, locationId = 'alpha') =>
  inventory.stock.adjustStock({
    requestId: requestId(),
    sku,
    locationId,
    lotId,
    lotExpireTime: EXPIRY,
    delta: BigInt(delta),
    reason: StockReason.RECEIVED,
  });

/** An instant by the database's clock which no booking shares: instants are kept to the millisecond. */
async function instant(): Promise<Date> {
  const { rows } = await inventory.pool.query<{ now: Date }>(
    'SELECT clock_timestamp() AS now, pg_sleep(0.003) FROM pg_sleep(0.003)',
  );
  return rows[0]?.now ?? new Date(0);
}

const shown = (lines: readonly CountLine[] | undefined) =>
  lines?.map(({ sku, lotId, expectedQuantity, countedQuantity, difference }) => [
    lotId === '' ? sku : `${sku}/${lotId}`,
    expectedQuantity,
    countedQuantity,
    difference,
  ]);

describe('a count', () => {
  test('is opened, filled, approved, and books what differs', async () => {
    const [more, less, same, uncounted] = [await newItem(), await newItem(), await newItem(), await newItem()];
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
    expect(await reasonFrom(approve(countId))).toBe('COUNT_STATE');

    const submitted = await submit(countId, [
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

    const approved = await approve(countId);
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
    const sku = await newItem();
    await addStock(inventory, sku, 'alpha', 10);
    const countId = await openCount([sku]);
    await addStock(inventory, sku, 'alpha', 5);
    const countTime = await instant();
    await addStock(inventory, sku, 'alpha', -4);
    const { count } = await submit(countId, [{ sku, countedQuantity: 14n, countTime: timestampFromDate(countTime) }]);
    expect(shown(count?.lines)).toEqual([[sku, 15n, 14n, -1n]]);
    expect(count?.lines[0]?.countTime).toEqual(timestampFromDate(countTime));
    await addStock(inventory, sku, 'alpha', 100);
    expect(shown((await approve(countId)).count?.lines)).toEqual([[sku, 15n, 14n, -1n]]);
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 110n });
  });

  test('takes a recount in place of the line before, and other lines beside it', async () => {
    const [one, other] = [await newItem(), await newItem()];
    const countId = await openCount([one, other]);
    await submit(countId, [{ sku: one, countedQuantity: 3n }]);
    await addStock(inventory, one, 'alpha', 2);
    await submit(countId, [{ sku: other, countedQuantity: 8n }]);
    const { count } = await submit(countId, [{ sku: one, countedQuantity: 4n }]);
    expect(shown(count?.lines)).toEqual([
      [one, 2n, 4n, 2n],
      [other, 0n, 8n, 8n],
    ]);
    await approve(countId);
    expect(await levelAt(inventory, one, 'alpha')).toMatchObject({ onHand: 4n });
    expect(await levelAt(inventory, other, 'alpha')).toMatchObject({ onHand: 8n });
  });

  test('is final once approved', async () => {
    const sku = await newItem();
    const countId = await openCount([sku]);
    await submit(countId, [{ sku, countedQuantity: 3n }]);
    await approve(countId);
    const second = await failure(approve(countId));
    expect([reasonOf(second), metadataOf(second)]).toEqual(['COUNT_STATE', { count_id: countId, state: 'APPROVED' }]);
    expect(await reasonFrom(submit(countId, [{ sku, countedQuantity: 9n }]))).toBe('COUNT_STATE');
    expect(await levelAt(inventory, sku, 'alpha')).toMatchObject({ onHand: 3n });
  });
});
