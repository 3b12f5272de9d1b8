/**
 * Writes prices: all of a batch or none.
 */

import type { Sql } from '@weft/runtime/data/pool';
import { lockBook, nextRevision, type PricedSku, tellWatchers } from '../price-book.ts';
import type { PriceRow } from './price.ts';

/**
 * Writes prices; a price with the same SKU, currency, quantity and start is replaced.
 *
 * @param rows no two with the same key.
 * @returns how many of them changed something.
 */
export async function writePrices(tx: Sql, rows: readonly PriceRow[]): Promise<number> {
  await lockBook(tx);
  const { rows: changed } = await tx.query<PricedSku & { minQuantity: bigint }>({
    name: 'prices_upsert',
    text: `INSERT INTO prices (sku, currency_code, min_quantity, start_time, end_time, unit_minor_units, tax_inclusive)
           SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::bigint[],
                                $7::boolean[])
           ON CONFLICT (sku, currency_code, min_quantity, start_time) DO UPDATE
           SET end_time = excluded.end_time, unit_minor_units = excluded.unit_minor_units,
               tax_inclusive = excluded.tax_inclusive
           WHERE (prices.end_time, prices.unit_minor_units, prices.tax_inclusive)
                 IS DISTINCT FROM (excluded.end_time, excluded.unit_minor_units, excluded.tax_inclusive)
           RETURNING sku, currency_code AS "currencyCode", min_quantity AS "minQuantity"`,
    values: [
      rows.map((row) => row.sku),
      rows.map((row) => row.currencyCode),
      rows.map((row) => row.minQuantity),
      rows.map((row) => row.startTime.toISOString()),
      rows.map((row) => row.endTime?.toISOString() ?? null),
      rows.map((row) => row.unitMinorUnits),
      rows.map((row) => row.taxInclusive),
    ],
  });
  if (changed.length > 0) {
    await nextRevision(tx);
    // Tiers say nothing about what one unit costs.
    await tellWatchers(
      tx,
      changed.filter(({ minQuantity }) => minQuantity === 1n),
    );
  }
  return changed.length;
}
