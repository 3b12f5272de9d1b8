/**
 * Books what a count found: the differences, as deltas, so that what moved since the counting stays as it is. All of them or none.
 */

import { type Count, type CountLine, CountState } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { type Posting, post } from '../stock/ledger.ts';
import { MAX_UNITS, removable } from '../stock/level.ts';
import { freeOfLot } from '../stock/lots.ts';
import { checkCountState, readCount } from './count.ts';
import { levelOfLine, type TakenCount, type TakenStock, takeCount, takeStock } from './taken.ts';

/** Lines that a refusal names in its text. */
const NAMED_MAX = 5;

/** @throws COUNT_NOT_FOUND, COUNT_STATE, INSUFFICIENT_STOCK, QUANTITY_OUT_OF_RANGE */
export async function approve(tx: Sql, countId: string, actor: string): Promise<Count> {
  const taken = await takeCount(tx, countId, (count) => checkCountState(count, [CountState.SUBMITTED]));
  const { count } = taken;
  const lines = count.lines.filter(({ difference }) => difference !== 0n);
  checkKeptAsCounted(taken, lines);
  if (lines.length > 0) {
    const stock = await takeStock(tx, count, lines);
    checkPromises(count, lines, stock);
    const postings = lines.map(
      ({ sku, lotId, difference }): Posting => ({ sku, lotId, locationId: count.locationId, onHand: difference }),
    );
    await post(tx, postings, { reason: StockReason.COUNTED, source: countId, actor });
  }
  await tx.query({
    name: 'count_approve',
    text: 'UPDATE counts SET state = 3, approve_time = now(), update_time = now() WHERE count_id = $1',
    values: [countId],
  });
  return readCount(tx, countId);
}

/** An item may have begun to be kept by lot, or become a kit, since it was counted: its units cannot be booked as they were counted. */
function checkKeptAsCounted({ count, items }: TakenCount, lines: readonly CountLine[]): void {
  for (const { sku, lotId } of lines) {
    const item = items.get(sku);
    if (item === undefined || item.isKit || item.lotTracked !== (lotId !== '')) {
      const message = `${sku} is kept otherwise than when it was counted: submit it again`;
      throw fail('COUNT_STATE', message, { count_id: count.countId, sku, lot_id: lotId });
    }
  }
}

function checkPromises({ locationId }: Count, lines: readonly CountLine[], stock: TakenStock): void {
  const changes = new Map<string, bigint>();
  for (const { sku, difference } of lines) {
    changes.set(sku, (changes.get(sku) ?? 0n) + difference);
  }
  const short = lines.flatMap((line, index) => {
    const lot = stock.lots[index];
    const ofLevel = removable(levelOfLine(stock, line));
    const lotShort = lot !== undefined && freeOfLot(lot) + line.difference < 0n;
    const levelShort = line.difference < 0n && ofLevel + (changes.get(line.sku) ?? 0n) < 0n;
    return lotShort || levelShort ? [{ line, free: lot === undefined ? ofLevel : freeOfLot(lot) }] : [];
  });
  const [first] = short;
  if (first !== undefined) {
    const named = short.slice(0, NAMED_MAX).map(({ line, free }) => {
      const what = line.lotId === '' ? line.sku : `the lot ${line.lotId} of ${line.sku}`;
      return `${-line.difference} units of ${what} are missing, and ${free} are free`;
    });
    const more = short.length > NAMED_MAX ? ` (and ${short.length - NAMED_MAX} more)` : '';
    throw fail('INSUFFICIENT_STOCK', `at ${locationId}, ${named.join('; ')}${more}`, {
      sku: first.line.sku,
      location_id: locationId,
      lot_id: first.line.lotId,
      requested: `${-first.line.difference}`,
      available: `${first.free}`,
    });
  }
  for (const line of lines) {
    const { onHand } = levelOfLine(stock, line);
    if (onHand + (changes.get(line.sku) ?? 0n) > MAX_UNITS) {
      const message = `${onHand} units of ${line.sku} are on hand at ${locationId}, and at most ${MAX_UNITS} may be`;
      throw fail('QUANTITY_OUT_OF_RANGE', message, { sku: line.sku, location_id: locationId });
    }
  }
}
