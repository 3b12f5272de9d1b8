/**
 * Locations as rows of the database and as messages of the contract.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Location, LocationSchema } from '@weft/gen/weft/inventory/v1/location_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import type { MaskRules } from '@weft/runtime/update-mask';
import type { Location as LocationRow } from '../../prisma/client/client.ts';

export type { LocationRow };

/** What a location's id looks like in a cursor. */
export const LOCATION_ID_CURSOR = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** The columns of `locations`, under the names that Prisma gives them. */
export const LOCATION_COLUMNS = `
  location_id AS "locationId", name, recipient, address_lines AS "addressLines", city, region_code AS "regionCode",
  postal_code AS "postalCode", country_code AS "countryCode", time_zone AS "timeZone", pick_priority AS "pickPriority",
  served_country_codes AS "servedCountryCodes", etag, create_time AS "createTime", update_time AS "updateTime", deactivated`;

export const LOCATION_MASK: MaskRules = {
  identifier: 'location_id',
  outputOnly: ['etag', 'create_time', 'update_time'],
};

/** The location as clients see it. */
export function locationMessage(row: LocationRow): Location {
  return create(LocationSchema, {
    locationId: row.locationId,
    name: row.name,
    address: {
      recipient: row.recipient,
      lines: row.addressLines,
      city: row.city,
      regionCode: row.regionCode,
      postalCode: row.postalCode,
      countryCode: row.countryCode,
    },
    timeZone: row.timeZone,
    pickPriority: row.pickPriority,
    servedCountryCodes: row.servedCountryCodes,
    etag: row.etag,
    createTime: timestampFromDate(row.createTime),
    updateTime: timestampFromDate(row.updateTime),
    deactivated: row.deactivated,
  });
}

/**
 * What of a message is stored: all but the key, which an update must not even name, lest it wait for all who hold the row; and but what the database
 * sets itself.
 */
export function locationData(location: Location) {
  return {
    name: location.name,
    recipient: location.address?.recipient ?? '',
    addressLines: location.address?.lines ?? [],
    city: location.address?.city ?? '',
    regionCode: location.address?.regionCode ?? '',
    postalCode: location.address?.postalCode ?? '',
    countryCode: location.address?.countryCode ?? '',
    timeZone: location.timeZone,
    pickPriority: location.pickPriority,
    servedCountryCodes: location.servedCountryCodes,
    deactivated: location.deactivated,
  };
}

/** Names of zones hold letters; `+02:00`, which Intl takes as well, is an offset and knows no summer time. */
const ZONE_NAME = /^[A-Za-z]/;

/** @throws TIME_ZONE_UNKNOWN unless the time zone is an IANA name that this server knows. */
export function checkTimeZone({ timeZone }: Location): void {
  if (!ZONE_NAME.test(timeZone) || !isKnownZone(timeZone)) {
    const text = `${JSON.stringify(timeZone)} is not an IANA time zone such as Europe/Berlin`;
    throw fail('TIME_ZONE_UNKNOWN', text, { time_zone: timeZone });
  }
}

function isKnownZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** The error for an id that has no location. */
export function locationNotFound(locationId: string) {
  return fail('LOCATION_NOT_FOUND', `no location has the id ${locationId}`, { location_id: locationId });
}
