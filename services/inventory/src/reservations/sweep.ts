/**
 * Tidies holds that ran out. Nobody's answer depends on it (readers and reservations go by the clock themselves): it brings
 * the news to watchers, and keeps the heap of what others have to tidy small.
 */

import { transaction } from '@weft/runtime/data/pool';
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
      if (rows.length > 0) {
        await lockStock(
          tx,
          rows.map(({ sku }) => sku),
        );
      }
      return rows.length;
    });
    if (tidied === 0) {
      return;
    }
  }
}
