/**
 * Issues rates for parcels: reads the tariffs, ranks what the services charge and signs each charge. RateService and
 * CheckoutService both issue their rates here.
 */

import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Rate, RateSchema } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import type { Address } from '@weft/gen/weft/type/v1/address_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import type { Pool } from 'pg';
import { normalizePostalCode } from './postal-code.ts';
import { signRateId } from './rate-id.ts';
import { type Charge, type Parcel, rankCharges } from './rating.ts';
import { readTariffs } from './tariffs.ts';

/** What to rate. */
export type RateQuery = {
  readonly parcels: readonly Parcel[];
  readonly destination: Address;
  readonly currencyCode: string;
};

/**
 * The rates of all services that carry all parcels, cheapest first, then fastest.
 *
 * @throws NO_SHIPPING_RATE when there is none.
 */
export async function issueRates(pool: Pool, key: Uint8Array, query: RateQuery): Promise<Rate[]> {
  const { parcels, destination, currencyCode } = query;
  const { tariffs, expireTime } = await readTariffs(pool, {
    originCountryCodes: [...new Set(parcels.map(({ originCountryCode }) => originCountryCode))],
    destinationCountryCode: destination.countryCode,
    postalCode: destination.postalCode,
    currencyCode,
  });
  const charges = rankCharges(tariffs, parcels);
  if (charges.length === 0) {
    throw fail('NO_SHIPPING_RATE', `No carrier carries this to ${destination.countryCode} for ${currencyCode}.`, {
      destination_country_code: destination.countryCode,
      currency_code: currencyCode,
    });
  }
  const subject = subjectOf(query);
  return charges.map((charge) => rateOf(charge, { currencyCode, expireTime, subject, key }));
}

/** A digest of what a rate is for, so that a rate id says for which parcels and destination it was issued. */
function subjectOf({ parcels, destination }: RateQuery): string {
  const { countryCode, postalCode } = destination;
  const facts = [
    countryCode,
    normalizePostalCode(postalCode),
    ...parcels.map(({ originCountryCode, sides, weightGrams }) => [originCountryCode, ...sides, weightGrams]),
  ];
  return createHash('sha256').update(JSON.stringify(facts)).digest('base64url');
}

function rateOf(
  { tariff, minorUnits }: Charge,
  issue: { currencyCode: string; expireTime: Date; subject: string; key: Uint8Array },
): Rate {
  const { carrierId, serviceId, name, minTransitDays, maxTransitDays } = tariff;
  const { currencyCode, expireTime, subject, key } = issue;
  const claims = { carrierId, serviceId, currencyCode, minorUnits, subject, expireTimeMs: expireTime.getTime() };
  return create(RateSchema, {
    rateId: signRateId(claims, key),
    carrierId,
    serviceId,
    name,
    charge: { currencyCode, minorUnits },
    minTransitDays,
    maxTransitDays,
    expireTime: timestampFromDate(expireTime),
  });
}
