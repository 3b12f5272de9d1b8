/**
 * What the price book says to a quote: prices, tax rates and revision, read in one statement and so of one instant.
 */

import type { Sql } from '@weft/runtime/data/pool';
import { APPLICABLE_PRICES } from '../prices/resolve.ts';
import { applicableRates, type Place, placeJurisdictions } from '../taxes/applicable.ts';
import { type ApplicableRate, TaxTable } from '../taxes/calculate.ts';
import type { UnitPrice } from './compose.ts';

/** What is read from the price book. */
export type BookEntry = {
  readonly asOf: Date;
  readonly revision: bigint;
  /** By SKU; those without a price are left out. */
  readonly prices: ReadonlyMap<string, UnitPrice>;
  readonly taxes: TaxTable;
};

/** What one statement gives. Amounts are text in it: JSON's numbers are floats. */
type BookRow = {
  asOf: Date;
  revision: bigint;
  prices: readonly { sku: string; unitMinorUnits: string; taxInclusive: boolean }[];
  rates: readonly ApplicableRate[];
};

const STATEMENT = `
  WITH price AS (${APPLICABLE_PRICES}), rate AS (${applicableRates('$4', '$5', 'statement_timestamp()')})
  SELECT statement_timestamp() AS "asOf", revision,
    (SELECT coalesce(json_agg(json_build_object(
       'sku', sku, 'unitMinorUnits', "unitMinorUnits"::text, 'taxInclusive', "taxInclusive")), '[]') FROM price) AS prices,
    (SELECT coalesce(json_agg(rate), '[]') FROM rate) AS rates
  FROM price_book`;

/**
 * Reads what a quote needs.
 *
 * @param quantities units by SKU.
 */
export async function readBook(
  sql: Sql,
  quantities: ReadonlyMap<string, bigint>,
  currencyCode: string,
  place: Place,
): Promise<BookEntry> {
  const jurisdictions = placeJurisdictions(place);
  const { rows } = await sql.query<BookRow>({
    name: 'quotes_book',
    text: STATEMENT,
    values: [[...quantities.keys()], [...quantities.values()], currencyCode, ...jurisdictions],
  });
  const [row] = rows;
  if (row === undefined) {
    throw new Error('the table price_book lost its row');
  }
  const prices = row.prices.map(({ sku, unitMinorUnits, taxInclusive }): [string, UnitPrice] => [
    sku,
    { unitMinorUnits: BigInt(unitMinorUnits), taxInclusive },
  ]);
  return {
    asOf: row.asOf,
    revision: row.revision,
    prices: new Map(prices),
    taxes: new TaxTable(row.rates, jurisdictions[0]),
  };
}
