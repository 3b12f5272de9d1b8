/**
 * Lists prices in the order of their key, a page at a time.
 */

import { CURSOR } from '@weft/runtime/data/page';
import type { Sql } from '@weft/runtime/data/pool';
import { INSTANT_CURSOR, instantOfCursor } from '../instants.ts';
import { PRICE_COLUMNS, type PriceRow } from './price.ts';

/** What a cursor is made of: SKU, currency, quantity, start. */
export const PRICE_CURSOR = [CURSOR.text, CURSOR.text, CURSOR.bigint, INSTANT_CURSOR] as const;

/** The cursor of a price. */
export function priceCursor({ sku, currencyCode, minQuantity, startTime }: PriceRow): readonly string[] {
  return [sku, currencyCode, `${minQuantity}`, `${startTime.getTime()}`];
}

/** Which prices: an empty text means all. */
export type PriceQuery = { readonly sku: string; readonly currencyCode: string };

/** Up to `limit` prices after a cursor; from the first one without. */
export async function listPrices(
  sql: Sql,
  { sku, currencyCode }: PriceQuery,
  after: readonly string[] | undefined,
  limit: number,
): Promise<PriceRow[]> {
  const [afterSku, afterCurrency, afterQuantity, afterStart] = after ?? [];
  const { rows } = await sql.query<PriceRow>(
    `SELECT ${PRICE_COLUMNS} FROM prices
     WHERE ($1 = '' OR sku = $1) AND ($2 = '' OR currency_code = $2)
       AND ($3::text IS NULL OR (sku, currency_code, min_quantity, start_time) > ($3, $4, $5::bigint, $6::timestamptz))
     ORDER BY sku, currency_code, min_quantity, start_time
     LIMIT $7`,
    [
      sku,
      currencyCode,
      afterSku ?? null,
      afterCurrency ?? null,
      afterQuantity ?? null,
      afterStart === undefined ? null : instantOfCursor(afterStart).toISOString(),
      limit,
    ],
  );
  return rows;
}
