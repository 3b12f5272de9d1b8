/**
 * Which price applies: of those of the SKU and currency that hold now and whose smallest quantity is not above the one
 * asked for, the one with the highest smallest quantity, and among those the latest start. The database's clock decides.
 */

import type { Sql } from '@weft/runtime/data/pool';
import { PRICE_COLUMNS, type PriceRow } from './price.ts';

/**
 * The price of each SKU of which so many units are wanted; SKUs without one are left out. Parameters: $1 SKUs, $2 quantities,
 * $3 currency. The clock is the statement's: a listing's snapshot is taken after its transaction began, and what happened
 * between the two must not be missed.
 */
export const APPLICABLE_PRICES = `
  SELECT price.*
  FROM unnest($1::text[], $2::bigint[]) AS wanted (wanted_sku, quantity)
  CROSS JOIN LATERAL (
    SELECT ${PRICE_COLUMNS} FROM prices
    WHERE sku = wanted_sku AND currency_code = $3 AND min_quantity <= quantity
      AND start_time <= statement_timestamp() AND (end_time IS NULL OR end_time > statement_timestamp())
    ORDER BY min_quantity DESC, start_time DESC
    LIMIT 1) AS price`;

/** Prices by SKU, and when they held. */
export type ResolvedPrices = { readonly prices: ReadonlyMap<string, PriceRow>; readonly asOf: Date };

/**
 * Resolves prices.
 *
 * @param quantities units by SKU, over all lines.
 */
export async function resolvePrices(
  sql: Sql,
  quantities: ReadonlyMap<string, bigint>,
  currencyCode: string,
): Promise<ResolvedPrices> {
  const { rows } = await sql.query<PriceRow & { asOf: Date; sku: string | null }>({
    name: 'prices_resolve',
    // One row at least, so that the instant is told also when there is no price.
    text: `SELECT statement_timestamp() AS "asOf", resolved.*
           FROM (VALUES (1)) AS one LEFT JOIN (${APPLICABLE_PRICES}) AS resolved ON true`,
    values: [[...quantities.keys()], [...quantities.values()], currencyCode],
  });
  return {
    prices: new Map(rows.filter((row) => row.sku !== null).map((row) => [row.sku, row])),
    asOf: rows[0]?.asOf ?? new Date(),
  };
}

/** Units by SKU, over all lines, sorted by SKU. */
export function quantitiesBySku(lines: readonly { sku: string; quantity: bigint }[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { sku, quantity } of lines.toSorted((a, b) => (a.sku < b.sku ? -1 : a.sku > b.sku ? 1 : 0))) {
    sums.set(sku, (sums.get(sku) ?? 0n) + quantity);
  }
  return sums;
}
