/**
 * How far countries are apart, for sourcing from the nearest location: the great-circle distance between their middles, as the
 * package world-countries has them. Coarse, but the same for everybody, and it needs no geocoder.
 */

import countries from 'world-countries/countries.json' with { type: 'json' };

/** The earth's mean radius (IUGG). */
const EARTH_RADIUS_KM = 6_371.0088;

/** Latitude and longitude of the middle of each country, in radians, by ISO 3166-1 alpha-2 code. */
const MIDDLES = new Map(
  countries.map(({ cca2, latlng: [latitude = 0, longitude = 0] }) => [
    cca2,
    { latitude: (latitude * Math.PI) / 180, longitude: (longitude * Math.PI) / 180 },
  ]),
);

/** Whole kilometres from the middle of one country to that of another; 0 within a country, undefined when either is unknown. */
export function countryDistanceKm(from: string, to: string): number | undefined {
  const [a, b] = [MIDDLES.get(from), MIDDLES.get(to)];
  if (a === undefined || b === undefined) {
    return from === to && from !== '' ? 0 : undefined;
  }
  // The haversine formula, which is well-conditioned for small distances too.
  const half =
    Math.sin((b.latitude - a.latitude) / 2) ** 2 +
    Math.cos(a.latitude) * Math.cos(b.latitude) * Math.sin((b.longitude - a.longitude) / 2) ** 2;
  return Math.round(2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(half))));
}
