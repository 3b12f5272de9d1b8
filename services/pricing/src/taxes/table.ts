/**
 * Reads the rates that apply at a destination.
 */

import type { Sql } from '@weft/runtime/data/pool';
import { type ApplicableRate, jurisdictionsOf, TaxTable } from './calculate.ts';

/**
 * The destination's rates at an instant.
 *
 * @param asOf absent means now, by the database's clock.
 */
export async function readTaxTable(
  sql: Sql,
  destination: { countryCode: string; regionCode: string },
  asOf?: Date,
): Promise<TaxTable> {
  const jurisdictions = jurisdictionsOf(destination);
  const { rows } = await sql.query<ApplicableRate>({
    name: 'tax_rates_applicable',
    text: `SELECT jurisdiction, tax_category AS "taxCategory", rate_ppm AS "ratePpm", name FROM tax_rates
           WHERE jurisdiction = ANY ($1) AND tstzrange(start_time, end_time) @> coalesce($2::timestamptz, now())`,
    values: [jurisdictions, asOf ?? null],
  });
  return new TaxTable(rows, jurisdictions);
}
