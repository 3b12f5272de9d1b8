/**
 * Replaces a carrier's table in the database. All within the caller's transaction, so that readers see the old table or the new
 * one, and never a mixture.
 */

import type { ImportRateTableRequest } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { normalizePostalCode } from './postal-code.ts';

/** Writes a checked table. Cartons are added to those of other tables; everything else of the carrier is replaced. */
export async function storeTable(tx: Sql, table: ImportRateTableRequest): Promise<void> {
  await takeCarrier(tx, table.carrierId);
  await tx.query('DELETE FROM carrier_services WHERE carrier_id = $1', [table.carrierId]);
  await insertServices(tx, table);
  await insertZones(tx, table);
  await insertRates(tx, table);
  await upsertCartons(tx, table);
}

/** Locks the carrier's row until the end of the transaction: imports of one carrier follow each other. */
async function takeCarrier(tx: Sql, carrierId: string): Promise<void> {
  await tx.query(
    `INSERT INTO carriers (carrier_id) VALUES ($1)
     ON CONFLICT (carrier_id) DO UPDATE SET revision = carriers.revision + 1, update_time = now()`,
    [carrierId],
  );
}

async function insertServices(tx: Sql, { carrierId, services }: ImportRateTableRequest): Promise<void> {
  await tx.query(
    `INSERT INTO carrier_services
       (carrier_id, service_id, name, dimensional_divisor, min_transit_days, max_transit_days)
     SELECT $1, * FROM unnest($2::text[], $3::text[], $4::int[], $5::int[], $6::int[])`,
    [
      carrierId,
      services.map(({ serviceId }) => serviceId),
      services.map(({ name }) => name),
      services.map(({ dimensionalDivisor }) => dimensionalDivisor),
      services.map(({ minTransitDays }) => minTransitDays),
      services.map(({ maxTransitDays }) => maxTransitDays),
    ],
  );
}

async function insertZones(tx: Sql, { carrierId, zones }: ImportRateTableRequest): Promise<void> {
  await tx.query(
    `INSERT INTO carrier_zones
       (carrier_id, service_id, origin_country_code, destination_country_code, postal_prefix, zone)
     SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])`,
    [
      carrierId,
      zones.map(({ serviceId }) => serviceId),
      zones.map(({ originCountryCode }) => originCountryCode),
      zones.map(({ destinationCountryCode }) => destinationCountryCode),
      zones.map(({ postalPrefix }) => normalizePostalCode(postalPrefix)),
      zones.map(({ zone }) => zone),
    ],
  );
}

async function insertRates(tx: Sql, { carrierId, rates }: ImportRateTableRequest): Promise<void> {
  await tx.query(
    `INSERT INTO carrier_rates (carrier_id, service_id, zone, currency_code, max_weight_grams, minor_units)
     SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[])`,
    [
      carrierId,
      rates.map(({ serviceId }) => serviceId),
      rates.map(({ zone }) => zone),
      rates.map(({ price }) => price?.currencyCode),
      rates.map(({ maxWeightGrams }) => maxWeightGrams),
      rates.map(({ price }) => price?.minorUnits),
    ],
  );
}

/** In the order of their ids, so that two imports that bring the same cartons do not wait for each other in a circle. */
async function upsertCartons(tx: Sql, { cartons }: ImportRateTableRequest): Promise<void> {
  const sorted = [...cartons].sort((a, b) => (a.cartonId < b.cartonId ? -1 : 1));
  await tx.query(
    `INSERT INTO cartons (carton_id, length_mm, width_mm, height_mm, tare_grams, max_content_grams)
     SELECT * FROM unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[])
     ON CONFLICT (carton_id) DO UPDATE SET length_mm = excluded.length_mm, width_mm = excluded.width_mm,
       height_mm = excluded.height_mm, tare_grams = excluded.tare_grams, max_content_grams = excluded.max_content_grams`,
    [
      sorted.map(({ cartonId }) => cartonId),
      sorted.map(({ dimensions }) => dimensions?.lengthMm),
      sorted.map(({ dimensions }) => dimensions?.widthMm),
      sorted.map(({ dimensions }) => dimensions?.heightMm),
      sorted.map(({ tareGrams }) => tareGrams),
      sorted.map(({ maxContentGrams }) => maxContentGrams),
    ],
  );
}
