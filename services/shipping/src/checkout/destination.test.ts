// Addresses: complete ones pass, and each missing part is named.

import { create } from '@bufbuild/protobuf';
import { AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { expect, test } from 'vitest';
import { checkDestination } from './destination.ts';

const complete = { lines: ['Hauptstr. 1'], city: 'Berlin', postalCode: '10115', countryCode: 'DE' };

function fieldMissing(change: Partial<typeof complete & { regionCode: string }>): string | undefined {
  try {
    checkDestination(create(AddressSchema, { ...complete, ...change }));
    return undefined;
  } catch (error) {
    expect(reasonOf(error)).toBe('ADDRESS_INCOMPLETE');
    expect(fieldViolationsOf(error)[0]?.field).toBe(`destination.${metadataOf(error).field}`);
    return metadataOf(error).field;
  }
}

test('a complete address passes', () => {
  expect(fieldMissing({})).toBeUndefined();
  expect(fieldMissing({ countryCode: 'US', regionCode: 'NJ', postalCode: '07105' })).toBeUndefined();
});

test('street, city and postal code are needed', () => {
  expect(fieldMissing({ lines: [] })).toBe('lines');
  expect(fieldMissing({ lines: ['  '] })).toBe('lines');
  expect(fieldMissing({ city: ' ' })).toBe('city');
  expect(fieldMissing({ postalCode: '' })).toBe('postal_code');
  expect(fieldMissing({ postalCode: ' - ' })).toBe('postal_code');
});

test('where mail has no postal codes, none is asked for', () => {
  expect(fieldMissing({ countryCode: 'HK', postalCode: '' })).toBeUndefined();
});

test.each(['US', 'CA'])('in %s the region is needed for the tax', (countryCode) => {
  expect(fieldMissing({ countryCode })).toBe('region_code');
});
