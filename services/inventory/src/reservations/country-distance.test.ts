import { expect, test } from 'vitest';
import { countryDistanceKm } from './country-distance.ts';

test('measures along the great circle, the same both ways', () => {
  expect(countryDistanceKm('DE', 'FR')).toBe(countryDistanceKm('FR', 'DE'));
  expect(countryDistanceKm('DE', 'FR')).toBeGreaterThan(500);
  expect(countryDistanceKm('DE', 'FR')).toBeLessThan(1_000);
  expect(countryDistanceKm('DE', 'NZ')).toBeGreaterThan(17_000);
});

test('goes over the date line where that is shorter', () => {
  expect(countryDistanceKm('FJ', 'WS')).toBeLessThan(1_500);
});

test('is nothing within a country, and not known of what is none', () => {
  expect(countryDistanceKm('US', 'US')).toBe(0);
  expect(countryDistanceKm('US', 'QQ')).toBeUndefined();
  expect(countryDistanceKm('', '')).toBeUndefined();
});
