/**
 * Tells watchers of lots that have expired. Nobody's answer depends on it: who reads goes by the clock (the view stock_now). It only brings
 * the news, since nothing is written at the instant at which a lot expires.
 */

import { append } from '@weft/runtime/data/changes';
import { transaction } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { stockChange } from '../changes.ts';
import { lockStock } from './lock.ts';

/** Lots that one transaction tells of, at most. */
const BATCH = 100;

/** Tells until nothing is left to tell or the signal aborts. Any number of processes may do so at once. */
export async function tellExpired(pool: Pool, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const due = await transaction(pool, async (tx) => {
      const { rows: lots } = await tx.query<{ sku: string; lot_id: string }>({
        name: 'lots_due',
        text: `
          SELECT sku, lot_id FROM lots
          WHERE NOT expiry_told AND expire_time <= now()
          ORDER BY expire_time LIMIT ${BATCH}`,
      });
      if (lots.length === 0) {
        return 0;
      }
      await lockStock(tx, [...new Set(lots.map(({ sku }) => sku))]);
      // Their levels are written to, if only to say when, so that one which thereby becomes low tells it (the trigger stock_low).
      const { rows: levels } = await tx.query<{ sku: string; location_id: string }>({
        name: 'lots_expired',
        text: `
          WITH told AS (
            UPDATE lots l SET expiry_told = true
            FROM unnest($1::text[], $2::text[]) AS d(sku, lot_id)
            WHERE l.sku = d.sku AND l.lot_id = d.lot_id AND NOT l.expiry_told
            RETURNING l.sku, l.lot_id
          )
          UPDATE stock s SET update_time = now()
          FROM (SELECT DISTINCT x.sku, x.location_id FROM told JOIN lot_stock x USING (sku, lot_id) WHERE x.on_hand > 0) x
          WHERE s.sku = x.sku AND s.location_id = x.location_id
          RETURNING s.sku, s.location_id`,
        values: [lots.map(({ sku }) => sku), lots.map(({ lot_id: lotId }) => lotId)],
      });
      const changed = levels.map(({ sku, location_id: locationId }) => stockChange({ sku, locationId }));
      await append(tx, changed);
      return lots.length;
    });
    if (due < BATCH) {
      return;
    }
  }
}
