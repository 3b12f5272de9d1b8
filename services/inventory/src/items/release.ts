/**
 * Tells watchers of preordered items that have come out. Nobody's answer depends on it: what may be promised goes by the clock. It only
 * brings the news, since nothing is written at the instant at which an item comes out.
 */

import { append } from '@weft/runtime/data/changes';
import { transaction } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { saleChange } from '../changes.ts';

/** How far back the first look goes, in hours: as long as changes are kept, so that no resume token is older. */
const FIRST_LOOK_HOURS = 24;

/** Makes the function that tells what has come out since it last looked. Several processes tell the same twice, which does no harm. */
export function releaseTeller(pool: Pool): () => Promise<void> {
  let lookedAt: Date | undefined;
  return async () => {
    lookedAt = await transaction(pool, async (tx) => {
      const { rows } = await tx.query<{ now: Date; skus: string[] }>({
        name: 'items_released',
        text: `
          -- Cut off, as what comes out of here is, and not rounded up: what is due in between would never be told.
          SELECT date_trunc('milliseconds', now()) AS now, ARRAY(
            SELECT sku FROM items
            WHERE out_of_stock_policy = 3 AND release_time <= now()
              AND release_time > coalesce($1::timestamptz, now() - make_interval(hours => ${FIRST_LOOK_HOURS}))
            ORDER BY sku) AS skus`,
        values: [lookedAt ?? null],
      });
      await append(tx, (rows[0]?.skus ?? []).map(saleChange));
      return rows[0]?.now;
    });
  };
}
