/**
 * Tidies holds that ran out. Nobody's answer depends on it (readers and reservations go by the clock themselves): it brings
 * the news to watchers, and keeps the heap of what others have to tidy small.
 */

import { type Sql, transaction } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { lockStock } from '../stock/lock.ts';

/** Holds that one transaction tidies, at most, beside others of the same items. */
const BATCH = 100;

/** Tidies until nothing is left to tidy or the signal aborts. Any number of processes may do so at once. */
export async function sweepExpired(pool: Pool, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const tidied = await transaction(pool, async (tx) => {
      const { rows } = await tx.query<{ sku: string }>({
        name: 'reservations_due',
        text: `
          WITH due AS (
            SELECT reservation_id FROM reservations
            WHERE state = 1 AND expire_time <= now()
            ORDER BY expire_time LIMIT ${BATCH}
          )
          SELECT DISTINCT sku FROM due JOIN allocations USING (reservation_id)`,
      });
      await tidy(tx, rows);
      return rows.length;
    });
    if (tidied === 0) {
      return;
    }
  }
}

/** Tidies the holds of units at a location, for who asks whether anything is held there. */
export async function sweepLocation(pool: Pool, locationId: string): Promise<void> {
  await transaction(pool, async (tx) => {
    const { rows } = await tx.query<{ sku: string }>({
      name: 'reservations_due_at',
      text: `
        SELECT DISTINCT a.sku FROM reservations r JOIN allocations a USING (reservation_id)
        WHERE r.state = 1 AND r.expire_time <= now() AND a.location_id = $1`,
      values: [locationId],
    });
    await tidy(tx, rows);
  });
}

/** Locks the stock of items, which tidies what of it is held and ran out. */
async function tidy(tx: Sql, items: readonly { readonly sku: string }[]): Promise<void> {
  if (items.length > 0) {
    await lockStock(
      tx,
      items.map(({ sku }) => sku),
    );
  }
}
