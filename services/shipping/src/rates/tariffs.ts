/**
 * Reads from the carriers' tables what each service asks on the way to a destination. One statement, and so one state of the
 * tables: an import that commits meanwhile is seen whole or not at all.
 */

import { query } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { normalizePostalCode } from './postal-code.ts';
import type { Tariff } from './rating.ts';

/** Where parcels go, from where, and in which currency. */
export type Route = {
  readonly originCountryCodes: readonly string[];
  readonly destinationCountryCode: string;
  readonly postalCode: string;
  readonly currencyCode: string;
};

/** Tariffs, and until when rates made from them are good. */
export type Tariffs = { readonly tariffs: readonly Tariff[]; readonly expireTime: Date };

/** How long a rate is good: as long as a quote. */
const RATE_LIFE_MS = 30 * 60_000;

type TariffRow = {
  readonly carrier_id: string;
  readonly service_id: string;
  readonly name: string;
  readonly dimensional_divisor: number;
  readonly min_transit_days: number;
  readonly max_transit_days: number;
  readonly expire_time: Date;
  readonly origins: readonly [countryCode: string, steps: readonly [maxWeightGrams: number, minorUnits: string][]][];
};

/** The tariffs of all services that go from one of the origins to the destination. Of prefixes that match, the longest wins. */
export async function readTariffs(pool: Pool, route: Route): Promise<Tariffs> {
  const rows = await query<TariffRow>(pool, {
    name: 'tariffs',
    text: `
      WITH zone AS (
        SELECT DISTINCT ON (carrier_id, service_id, origin_country_code)
          carrier_id, service_id, origin_country_code, zone
        FROM carrier_zones
        WHERE origin_country_code = ANY ($1::text[]) AND destination_country_code = $2 AND starts_with($3, postal_prefix)
        ORDER BY carrier_id, service_id, origin_country_code, length(postal_prefix) DESC
      ), steps AS (
        SELECT z.carrier_id, z.service_id, z.origin_country_code,
          json_agg(json_build_array(r.max_weight_grams, r.minor_units::text) ORDER BY r.max_weight_grams) AS steps
        FROM zone z JOIN carrier_rates r USING (carrier_id, service_id, zone)
        WHERE r.currency_code = $4
        GROUP BY z.carrier_id, z.service_id, z.origin_country_code
      )
      SELECT s.*, json_agg(json_build_array(t.origin_country_code, t.steps)) AS origins,
        (now() + $5::bigint * interval '1 millisecond')::timestamptz(3) AS expire_time
      FROM carrier_services s JOIN steps t USING (carrier_id, service_id)
      GROUP BY s.carrier_id, s.service_id`,
    values: [
      route.originCountryCodes,
      route.destinationCountryCode,
      normalizePostalCode(route.postalCode),
      route.currencyCode,
      RATE_LIFE_MS,
    ],
  });
  return { tariffs: rows.map(tariffOf), expireTime: rows[0]?.expire_time ?? new Date(0) };
}

function tariffOf(row: TariffRow): Tariff {
  return {
    carrierId: row.carrier_id,
    serviceId: row.service_id,
    name: row.name,
    dimensionalDivisor: row.dimensional_divisor,
    minTransitDays: row.min_transit_days,
    maxTransitDays: row.max_transit_days,
    stepsByOrigin: new Map(
      row.origins.map(([countryCode, steps]) => [
        countryCode,
        steps.map(([maxWeightGrams, minorUnits]) => ({ maxWeightGrams, minorUnits: BigInt(minorUnits) })),
      ]),
    ),
  };
}
