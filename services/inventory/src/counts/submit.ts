/**
 * Writes down what was counted, with what the books had at the very time of counting: what is on hand now less what was booked after that
 * time. It is computed under the lock of the stock rows, so that every booking that has committed counts, before or after.
 *
 * What remains uncertain is a booking that was under way while people counted. An entry's time is the beginning of its transaction, so one
 * that began before the time of counting and commits after the count was submitted is in neither number, as if it came later; and one that
 * began before and committed after the time of counting, yet before the submission, is taken to have been there already. Transactions last
 * no longer than a deadline, so that is a matter of units moved in those very seconds. The other is the clock of who counts against the database's.
 */

import type { Count, CountedLine, SubmitCountRequest } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { CountState } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { instantOf } from '../instants.ts';
import { checkLotNamed } from '../stock/lots.ts';
import { checkCountState, readCount } from './count.ts';
import { levelOfLine, type TakenCount, takeCount, takeStock } from './taken.ts';

/** @throws COUNT_NOT_FOUND, COUNT_STATE, COUNT_LINE_INVALID, LOT_REQUIRED, LOT_UNEXPECTED, LOT_NOT_FOUND, INVALID_FIELD */
export async function submit(tx: Sql, { countId, lines }: SubmitCountRequest, actor: string): Promise<Count> {
  const times = lines.map((line, index) => instantOf(line.countTime, `lines[${index}].count_time`));
  const taken = await takeCount(tx, countId, (count) =>
    checkCountState(count, [CountState.OPEN, CountState.SUBMITTED]),
  );
  checkLines(taken, lines);
  await checkTimes(tx, countId, lines, times);
  const stock = await takeStock(tx, taken.count, lines);
  const onHand = lines.map((line, index) => stock.lots[index]?.onHand ?? levelOfLine(stock, line).onHand);
  await tx.query({
    name: 'count_submit',
    text: `
      WITH counted AS MATERIALIZED (
        SELECT c.sku COLLATE "C" AS sku, c.lot_id COLLATE "C" AS lot_id, c.counted, c.on_hand,
          -- By now the rows are locked: whatever is booked from here on, was not there when it was counted.
          coalesce(c.count_time, clock_timestamp())::timestamptz(3) AS count_time, c.count_time IS NULL AS counted_now
        FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[])
          AS c(sku, lot_id, counted, on_hand, count_time)
      ), kept_otherwise AS (
        -- Lines from before an item began to be kept by lot, or ceased to be.
        DELETE FROM count_lines l USING counted c
        WHERE l.count_id = $1 AND l.sku = c.sku AND (l.lot_id = '') <> (c.lot_id = '')
      ), submitted AS (
        UPDATE counts SET state = 2, update_time = now() WHERE count_id = $1
      )
      INSERT INTO count_lines (count_id, sku, lot_id, expected_quantity, counted_quantity, count_time, actor)
      SELECT $1, c.sku, c.lot_id, c.on_hand - CASE WHEN c.counted_now THEN 0 ELSE later.units END, c.counted, c.count_time, $7
      FROM counted c, LATERAL (
        SELECT coalesce(sum(e.on_hand_delta), 0)::bigint AS units
        FROM ledger_entries e
        WHERE e.sku = c.sku AND e.location_id = $8 AND (c.lot_id = '' OR e.lot_id = c.lot_id) AND e.create_time > c.count_time
      ) later
      ON CONFLICT (count_id, sku, lot_id) DO UPDATE SET expected_quantity = excluded.expected_quantity,
        counted_quantity = excluded.counted_quantity, count_time = excluded.count_time, actor = excluded.actor`,
    values: [
      countId,
      lines.map(({ sku }) => sku),
      lines.map(({ lotId }) => lotId),
      lines.map(({ countedQuantity }) => countedQuantity),
      onHand,
      times.map((time) => time ?? null),
      actor,
      taken.count.locationId,
    ],
  });
  return readCount(tx, countId);
}

function checkLines({ count, items }: TakenCount, lines: readonly CountedLine[]): void {
  const wanted = new Set(count.skus);
  const seen = new Set<string>();
  for (const line of lines) {
    const item = wanted.has(line.sku) ? items.get(line.sku) : undefined;
    if (item === undefined) {
      throw invalidLine(line, `the count is not of ${line.sku}`);
    }
    const key = `${line.sku} ${line.lotId}`;
    if (seen.has(key)) {
      throw invalidLine(
        line,
        `two lines are about ${line.lotId === '' ? line.sku : `the lot ${line.lotId} of ${line.sku}`}`,
      );
    }
    seen.add(key);
    checkLotNamed(item, line);
  }
}

/** By the database's clock, which is the ledger's too. */
async function checkTimes(
  tx: Sql,
  countId: string,
  lines: readonly CountedLine[],
  times: readonly (Date | undefined)[],
): Promise<void> {
  const { rows } = await tx.query<{ create_time: Date; now: Date }>({
    name: 'count_times',
    text: 'SELECT create_time, clock_timestamp() AS now FROM counts WHERE count_id = $1',
    values: [countId],
  });
  const [bounds] = rows;
  for (const [index, line] of lines.entries()) {
    const time = times[index];
    if (bounds !== undefined && time !== undefined && (time < bounds.create_time || time > bounds.now)) {
      const when = time < bounds.create_time ? 'before the count was opened' : 'in the future';
      throw invalidLine(line, `${line.sku} was counted at ${time.toISOString()}, ${when}`);
    }
  }
}

function invalidLine({ sku, lotId }: CountedLine, message: string) {
  return fail('COUNT_LINE_INVALID', message, { sku, lot_id: lotId });
}
