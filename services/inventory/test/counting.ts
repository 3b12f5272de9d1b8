/**
 * For tests of counts: items of any kind, counts, submissions and approvals in few words.
 */

import type { CountLine } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { addItem, type TestInventory } from './harness.ts';
import type { ItemFields } from './reserving.ts';

/** Lines of a submission. */
export type Lines = NonNullable<Parameters<TestInventory['counts']['submitCount']>[0]['lines']>;

let made = 0;

/** A new item; what is not given is ordinary. */
export async function newItem(inventory: TestInventory, fields: ItemFields = {}): Promise<string> {
  made += 1;
  const sku = `C-${`${made}`.padStart(4, '0')}`;
  await addItem(inventory, { ...fields, sku });
  return sku;
}

/** Opens a count; gives its id. */
export async function openCount({ counts }: TestInventory, skus: string[], locationId = 'alpha'): Promise<string> {
  const { count } = await counts.createCount({ requestId: requestId(), locationId, skus });
  return count?.countId ?? '';
}

/** Writes down what was counted. */
export const submit = ({ counts }: TestInventory, countId: string, lines: Lines) =>
  counts.submitCount({ requestId: requestId(), countId, lines });

/** Books the differences. */
export const approve = ({ counts }: TestInventory, countId: string) =>
  counts.approveCount({ requestId: requestId(), countId });

/** Books units of a lot in, or, negative, out. All lots expire at the same time. */
export const addLot = ({ stock }: TestInventory, sku: string, lotId: string, units: number, locationId = 'alpha') =>
  stock.adjustStock({
    requestId: requestId(),
    sku,
    locationId,
    lotId,
    lotExpireTime: { seconds: 4_000_000_000n },
    delta: BigInt(units),
    reason: StockReason.RECEIVED,
  });

/** An instant by the database's clock which no booking shares: instants are kept to the millisecond. */
export async function instant({ pool }: TestInventory): Promise<Date> {
  const { rows } = await pool.query<{ now: Date }>(
    'SELECT clock_timestamp() AS now, pg_sleep(0.003) FROM pg_sleep(0.003)',
  );
  return rows[0]?.now ?? new Date(0);
}

/** Lines in few words: what was counted, expected units, counted units, difference. */
export const shown = (lines: readonly CountLine[] | undefined) =>
  lines?.map(({ sku, lotId, expectedQuantity, countedQuantity, difference }) => [
    lotId === '' ? sku : `${sku}/${lotId}`,
    expectedQuantity,
    countedQuantity,
    difference,
  ]);
