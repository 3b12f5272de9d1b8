/**
 * Which price applies: of those of the SKU and currency that hold now and whose smallest quantity is not above the one
 * asked for, the one with the highest smallest quantity, and among those the latest start. One statement, one clock: the
 * database's.
 */

import type { Sql } from '@weft/runtime/data/pool';
import { PRICE_COLUMNS, type PriceRow } from './price.ts';

/** Prices by SKU. A SKU without a price in the currency is absent. */
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
  const { rows } = await sql.query<PriceRow & { as_of: Date; wanted_sku: string }>({
    name: 'prices_resolve',
    text: `SELECT wanted.sku AS wanted_sku, now() AS as_of, price.*
           FROM unnest($1::text[], $2::bigint[]) AS wanted(sku, quantity)
           LEFT JOIN LATERAL (
             SELECT ${PRICE_COLUMNS} FROM prices
             WHERE prices.sku = wanted.sku AND currency_code = $3 AND min_quantity <= wanted.quantity
               AND (start_time IS NULL OR start_time <= now()) AND (end_time IS NULL OR end_time > now())
             ORDER BY min_quantity DESC, start_time DESC NULLS LAST
             LIMIT 1) AS price ON true`,
    values: [[...quantities.keys()], [...quantities.values()], currencyCode],
  });
  return {
    prices: new Map(rows.flatMap((row) => (row.sku === null ? [] : [[row.wanted_sku, row] as const]))),
    asOf: rows[0]?.as_of ?? new Date(0),
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
