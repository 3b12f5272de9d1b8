/**
 * The address form's contents: what must be filled in, what is wrong with it in words, and the Address that the contract wants.
 */

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { COUNTRIES, POSTAL_CODES, REGIONS } from './destinations.ts';

/** The fields, in the order of the form. */
export const ADDRESS_FIELDS = ['country', 'recipient', 'line1', 'line2', 'postalCode', 'city', 'region'] as const;

/** One of them. */
export type AddressField = (typeof ADDRESS_FIELDS)[number];

/** What is typed in. */
export type AddressForm = Readonly<Record<AddressField, string>>;

/** What is wrong, by field; a field that is right is not in it. */
export type AddressProblems = Readonly<Partial<Record<AddressField, string>>>;

export const EMPTY_ADDRESS: AddressForm = {
  country: '',
  recipient: '',
  line1: '',
  line2: '',
  postalCode: '',
  city: '',
  region: '',
};

/** Longest texts, by the contract, in characters. */
export const LONGEST: Readonly<Record<AddressField, number>> = {
  country: 2,
  recipient: 120,
  line1: 120,
  line2: 120,
  postalCode: 16,
  city: 80,
  region: 3,
};

/** Checks a form. */
export function checkAddress(form: AddressForm): AddressProblems {
  const problems: Partial<Record<AddressField, string>> = {};
  const { country, region } = form;
  if (!COUNTRIES.some((code) => code === country)) {
    problems.country = 'Choose the country that it goes to.';
  }
  if (form.recipient.trim() === '') {
    problems.recipient = 'Fill in who receives it.';
  }
  if (form.line1.trim() === '') {
    problems.line1 = 'Fill in street and house number.';
  }
  if (form.city.trim() === '') {
    problems.city = 'Fill in the city.';
  }
  const postal = POSTAL_CODES[country];
  if (form.postalCode.trim() === '') {
    problems.postalCode = 'Fill in the postal code.';
  } else if (postal !== undefined && !postal.pattern.test(form.postalCode.trim())) {
    problems.postalCode = `A postal code there looks like ${postal.example}.`;
  }
  const regions = REGIONS[country];
  if (regions !== undefined && !regions.some(({ code }) => code === region)) {
    problems.region = `Choose the ${regionWord(country)}: the tax depends on it.`;
  }
  return problems;
}

/** The form as the contract's Address. */
export function toAddress(form: AddressForm): MessageInitShape<typeof AddressSchema> {
  return {
    recipient: form.recipient.trim(),
    lines: [form.line1, form.line2].map((line) => line.trim()).filter((line) => line !== ''),
    city: form.city.trim(),
    regionCode: REGIONS[form.country] === undefined ? '' : form.region,
    postalCode: form.postalCode.trim().toUpperCase(),
    countryCode: form.country,
  };
}

/** The field that a path in a request speaks of: `destination.postal_code` is `postalCode`. */
export function fieldOfPath(path: string): AddressField | undefined {
  const name = path.replace(/^destination\./, '').replace(/\[\d+\].*$/, '');
  const fields: Readonly<Record<string, AddressField>> = {
    country_code: 'country',
    recipient: 'recipient',
    lines: 'line1',
    postal_code: 'postalCode',
    city: 'city',
    region_code: 'region',
  };
  return fields[name];
}

/** What the region of a country is called there. */
export function regionWord(country: string): string {
  return country === 'CA' ? 'province' : 'state';
}
