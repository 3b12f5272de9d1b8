/**
 * What an address must have before goods can be sent to it. The contract leaves most fields open, since a tax or a rate needs
 * only the country; a carrier needs more.
 */

import type { Address } from '@weft/gen/weft/type/v1/address_pb.js';
import { fail } from '@weft/runtime/errors/fail';

/** Countries and territories whose mail goes without postal codes (Universal Postal Union, Addressing Solutions, member sheets). */
const WITHOUT_POSTAL_CODE: ReadonlySet<string> = new Set(
  `AE AG AO AW BF BI BJ BO BQ BS BW BZ CD CF CG CI CK CM CW DJ DM ER FJ GA GD GH GM GQ GY HK JM KI KM KN KP LY ML MO MR
   MW NA NR NU QA RW SB SC SL SR SS ST SX SY TD TG TK TL TO TV UG VU WS YE ZW`.split(/\s+/),
);

/** Countries whose taxes depend on the subdivision. */
const WITH_REGION: ReadonlySet<string> = new Set(['US', 'CA']);

/**
 * Checks that carrier and tax have what they need.
 *
 * @throws ADDRESS_INCOMPLETE that names the first field that is missing.
 */
export function checkDestination(address: Address): void {
  const { countryCode } = address;
  if (!address.lines.some(isWritten)) {
    throw incomplete('lines', 'The street or post box is missing.');
  }
  if (!isWritten(address.city)) {
    throw incomplete('city', 'The city is missing.');
  }
  if (WITH_REGION.has(countryCode) && address.regionCode === '') {
    throw incomplete('region_code', `In ${countryCode} the tax depends on the state or province, which is missing.`);
  }
  if (!WITHOUT_POSTAL_CODE.has(countryCode) && !/[A-Za-z0-9]/.test(address.postalCode)) {
    throw incomplete('postal_code', `Mail to ${countryCode} needs a postal code, which is missing.`);
  }
}

function isWritten(text: string): boolean {
  return text.trim() !== '';
}

function incomplete(field: string, description: string) {
  const path = `destination.${field}`;
  return fail('ADDRESS_INCOMPLETE', description, { field }, { fieldViolations: [{ field: path, description }] });
}
