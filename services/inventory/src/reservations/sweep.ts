/**
 * Tidies holds that ran out. Nobody's answer depends on it (readers and reservations go by the clock themselves): it brings
 * the news to watchers, and keeps the heap of what others have to tidy small.
 */

import { transaction } from '@weft/runtime/data/pool';
import type { Pool, QueryConfig } from 'pg';
import { lockStock } from '../stock/lock.ts';

/** Holds, or items, whose due holds one transaction tidies at most. */
const BATCH = 100;

/** Tidies until nothing is left to tidy or the signal aborts. Any number of processes may do so at once. */
export async function sweepExpired(pool: Pool, signal: AbortSignal): Promise<void> {
  const due = {
    name: 'reservations_due',
    text: `
      WITH due AS (
        SELECT reservation_id FROM reservations
        WHERE state = 1 AND expire_time <= now()
        ORDER BY expire_time LIMIT ${BATCH}
      )
      SELECT DISTINCT sku FROM due JOIN allocations USING (reservation_id)`,
  };
  await sweep(pool, due, signal);
}

/** Tidies the holds of units at a location, for who asks whether anything is held there. */
export async function sweepLocation(pool: Pool, locationId: string): Promise<void> {
  const due = {
    name: 'reservations_due_at',
    text: `
      SELECT DISTINCT a.sku FROM reservations r JOIN allocations a USING (reservation_id)
      WHERE r.state = 1 AND r.expire_time <= now() AND a.location_id = $1
      LIMIT ${BATCH}`,
    values: [locationId],
  };
  await sweep(pool, due);
}

/** Locks the stock of items, which tidies what of it is held and ran out, for as long as a statement names some. */
async function sweep(pool: Pool, due: QueryConfig, signal?: AbortSignal): Promise<void> {
  for (let left = true; left && !signal?.aborted; ) {
    left = await transaction(pool, async (tx) => {
      const { rows } = await tx.query<{ sku: string }>(due);
      if (rows.length > 0) {
        await lockStock(
          tx,
          rows.map(({ sku }) => sku),
        );
      }
      return rows.length > 0;
    });
  }
}
