/**
 * Where the sample shop sells to: the countries that its carriers reach, and the regions of those where tax depends on the region.
 * A test holds the lists to the sample's own tables.
 */

/** ISO 3166-1 alpha-2. */
// biome-ignore format: one look, one list
export const COUNTRIES = [
  'AT', 'AU', 'BE', 'CA', 'CH', 'DE', 'ES', 'FI', 'FR', 'GB', 'IE', 'IT', 'JP', 'NL', 'NO', 'NZ', 'SE', 'SG', 'US',
] as const;

/** A region that can be chosen. */
export type Region = { readonly code: string; readonly name: string };

/** ISO 3166-2 regions, by country. A country that is not here is taxed alike everywhere. */
export const REGIONS: Readonly<Record<string, readonly Region[]>> = {
  CA: [
    { code: 'AB', name: 'Alberta' },
    { code: 'BC', name: 'British Columbia' },
    { code: 'ON', name: 'Ontario' },
    { code: 'QC', name: 'Quebec' },
  ],
  US: [
    { code: 'CA', name: 'California' },
    { code: 'DE', name: 'Delaware' },
    { code: 'MT', name: 'Montana' },
    { code: 'NH', name: 'New Hampshire' },
    { code: 'NJ', name: 'New Jersey' },
    { code: 'NY', name: 'New York' },
    { code: 'OR', name: 'Oregon' },
    { code: 'TX', name: 'Texas' },
    { code: 'WA', name: 'Washington' },
  ],
};

/** How postal codes look, with an example for the message. */
export const POSTAL_CODES: Readonly<Record<string, { readonly pattern: RegExp; readonly example: string }>> = {
  AT: { pattern: /^\d{4}$/, example: '1010' },
  AU: { pattern: /^\d{4}$/, example: '2000' },
  BE: { pattern: /^\d{4}$/, example: '1000' },
  CA: { pattern: /^[A-Z]\d[A-Z] ?\d[A-Z]\d$/i, example: 'M5V 3L9' },
  CH: { pattern: /^\d{4}$/, example: '8001' },
  DE: { pattern: /^\d{5}$/, example: '10115' },
  ES: { pattern: /^\d{5}$/, example: '28013' },
  FI: { pattern: /^\d{5}$/, example: '00100' },
  FR: { pattern: /^\d{5}$/, example: '75001' },
  GB: { pattern: /^[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}$/i, example: 'SW1A 1AA' },
  IE: { pattern: /^[A-Z]\d[\dW] ?[A-Z\d]{4}$/i, example: 'D02 AF30' },
  IT: { pattern: /^\d{5}$/, example: '00184' },
  JP: { pattern: /^\d{3}-?\d{4}$/, example: '100-0001' },
  NL: { pattern: /^\d{4} ?[A-Z]{2}$/i, example: '1012 JS' },
  NO: { pattern: /^\d{4}$/, example: '0150' },
  NZ: { pattern: /^\d{4}$/, example: '6011' },
  SE: { pattern: /^\d{3} ?\d{2}$/, example: '111 29' },
  SG: { pattern: /^\d{6}$/, example: '018989' },
  US: { pattern: /^\d{5}(-\d{4})?$/, example: '94103' },
};
