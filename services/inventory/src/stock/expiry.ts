/**
 * Tells watchers of lots that have expired. Nobody's answer depends on it: who reads goes by the clock (the view stock_now). It only brings
 * the news, since nothing is written at the instant at which a lot expires.
 */

import { append } from '@weft/runtime/data/changes';
import { transaction } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { stockChange } from '../changes.ts';

/** Lots that one transaction tells of, at most. */
const BATCH = 100;

/** Tells until nothing is left to tell or the signal aborts. Any number of processes may do so at once. */
export async function tellExpired(pool: Pool, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const told = await transaction(pool, async (tx) => {
      const { rows, rowCount } = await tx.query<{ sku: string; location_ids: string[] }>({
        name: 'lots_expired',
        text: `
          WITH due AS (
            SELECT sku, lot_id FROM lots
            WHERE NOT expiry_told AND expire_time <= now()
            ORDER BY expire_time LIMIT ${BATCH}
            FOR NO KEY UPDATE SKIP LOCKED
          )
          UPDATE lots l SET expiry_told = true
          FROM due WHERE l.sku = due.sku AND l.lot_id = due.lot_id
          RETURNING l.sku, ARRAY(
            SELECT x.location_id FROM lot_stock x
            WHERE x.sku = l.sku AND x.lot_id = l.lot_id AND x.on_hand > 0 ORDER BY x.location_id) AS location_ids`,
      });
      const levels = rows.flatMap(({ sku, location_ids: ids }) => ids.map((locationId) => ({ sku, locationId })));
      await append(tx, levels.map(stockChange));
      return rowCount ?? 0;
    });
    if (told < BATCH) {
      return;
    }
  }
}
