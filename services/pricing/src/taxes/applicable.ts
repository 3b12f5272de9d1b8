/**
 * Which tax rates apply at a destination. The jurisdiction is the destination's subdivision when that has rates of its own, be
 * it at another time, else its country.
 */

import type { Sql } from '@weft/runtime/data/pool';
import { type ApplicableRate, TaxTable } from './calculate.ts';

/** Where something goes: country and subdivision, which may be empty. */
export type Place = { readonly countryCode: string; readonly regionCode: string };

/**
 * The rates that apply at a place. Parameters: two jurisdictions (`placeJurisdictions`) and an SQL expression for the instant.
 */
export const applicableRates = (subdivision: string, country: string, instant: string): string => `
  SELECT jurisdiction, tax_category AS "taxCategory", rate_ppm AS "ratePpm", name
  FROM tax_rates
  WHERE jurisdiction = CASE WHEN EXISTS (SELECT FROM tax_rates WHERE jurisdiction = ${subdivision})
                            THEN ${subdivision} ELSE ${country} END
    AND start_time <= ${instant} AND (end_time IS NULL OR end_time > ${instant})`;

/** The jurisdictions that may decide at a place: the subdivision, `US-CA`, and the country. */
export function placeJurisdictions({ countryCode, regionCode }: Place): [subdivision: string, country: string] {
  return [regionCode === '' ? countryCode : `${countryCode}-${regionCode}`, countryCode];
}

/**
 * Reads the rates that apply at a place.
 *
 * @param asOf absent means now, by the database's clock.
 */
export async function readTaxTable(sql: Sql, place: Place, asOf: Date | undefined): Promise<TaxTable> {
  const jurisdictions = placeJurisdictions(place);
  const { rows } = await sql.query<ApplicableRate>({
    name: 'tax_rates_applicable',
    text: applicableRates('$1', '$2', 'coalesce($3::timestamptz, statement_timestamp())'),
    values: [...jurisdictions, asOf?.toISOString() ?? null],
  });
  return new TaxTable(rows, jurisdictions[0]);
}
