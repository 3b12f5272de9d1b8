// Keeps the carriers' tables usable: services, zones and rates that name each other, prices that grow with the weight, and
// a way to every destination for whatever the warehouses may pack.

import { describe, expect, test } from 'vitest';
import { carrierIds, cell, cells, groupBy, int, readRows, readText, sides } from './rows.ts';

type Location = Readonly<{ location_id: string; address: { country_code: string }; served_country_codes: string[] }>;

const currencies = ['EUR', 'GBP', 'JPY', 'USD'];
const cartons = readRows('cartons.csv');
const locations: Location[] = JSON.parse(readText('locations.json'));
const carriers = carrierIds.map((id) => ({
  id,
  services: readRows(`carriers/${id}/services.csv`),
  zones: readRows(`carriers/${id}/zones.csv`),
  rates: readRows(`carriers/${id}/rates.csv`),
}));
const destinations = new Set(carriers.flatMap(({ zones }) => cells(zones, 'destination_country_code')));

describe.each(carriers)('carrier $id', ({ services, zones, rates }) => {
  test('has services, zones and rates that name each other', () => {
    const ids = new Set(cells(services, 'service_id'));
    expect(new Set(cells(zones, 'service_id'))).toEqual(ids);
    expect(new Set(groupBy(zones, 'service_id', 'zone').keys())).toEqual(
      new Set(groupBy(rates, 'service_id', 'zone').keys()),
    );
    const key = ['service_id', 'origin_country_code', 'destination_country_code', 'postal_prefix'];
    expect([...groupBy(zones, ...key).values()].filter((rows) => rows.length > 1)).toEqual([]);
    for (const row of services) {
      expect(int(row, 'min_transit_days')).toBeLessThanOrEqual(int(row, 'max_transit_days'));
      expect(int(row, 'dimensional_divisor')).toBeGreaterThan(0);
      expect(cell(row, 'cutoff_local_time')).toMatch(/^([01]\d|2[0-3]):[0-5]\d$/);
    }
  });

  test('has a whole-country zone behind every postal prefix', () => {
    for (const [key, rows] of groupBy(zones, 'service_id', 'origin_country_code', 'destination_country_code')) {
      expect(cells(rows, 'postal_prefix'), key).toContain('');
    }
  });

  test('asks for more as the weight grows, at the same steps in every currency', () => {
    for (const [key, byCurrency] of groupBy(rates, 'service_id', 'zone')) {
      const tables = groupBy(byCurrency, 'currency_code');
      expect([...tables.keys()].toSorted(), key).toEqual(currencies);
      const steps = tables.get('EUR')?.map((row) => int(row, 'max_weight_grams')) ?? [];
      for (const table of tables.values()) {
        expect(
          table.map((row) => int(row, 'max_weight_grams')),
          key,
        ).toEqual(steps);
        for (const name of ['max_weight_grams', 'minor_units']) {
          const values = table.map((row) => int(row, name));
          expect(values, key).toEqual([...new Set(values)].toSorted((a, b) => a - b));
        }
      }
    }
  });

  test('carries the largest carton, full or light', () => {
    for (const [key, table] of groupBy(rates, 'service_id', 'zone')) {
      const heaviest = Math.max(...table.map((row) => int(row, 'max_weight_grams')));
      const divisor = Math.min(...services.map((row) => int(row, 'dimensional_divisor')));
      for (const carton of cartons) {
        const [length, width, height] = sides(carton);
        expect(int(carton, 'tare_grams') + int(carton, 'max_content_grams'), key).toBeLessThanOrEqual(heaviest);
        expect(Math.ceil((length * width * height) / divisor), key).toBeLessThanOrEqual(heaviest);
      }
    }
  });
});

test('both carriers go to Europe, one of them to the rest of the world, and to wherever a warehouse ships', () => {
  expect(destinations.size).toBeGreaterThanOrEqual(15);
  for (const country of locations.flatMap((location) => location.served_country_codes)) {
    expect(destinations).toContain(country);
  }
  const reach = carriers.map(({ zones }) => new Set(cells(zones, 'destination_country_code')));
  expect(reach.filter((countries) => countries.has('AT') && countries.has('GB'))).toHaveLength(2);
  expect(reach.filter((countries) => countries.has('US') && countries.has('JP'))).toHaveLength(1);
});

test('every destination can be reached from the warehouse that serves it', () => {
  for (const destination of destinations) {
    for (const location of locations) {
      const served = location.served_country_codes;
      if (served.length > 0 && !served.includes(destination)) continue;
      const reached = carriers.some(({ zones }) =>
        zones.some(
          (zone) =>
            cell(zone, 'origin_country_code') === location.address.country_code &&
            cell(zone, 'destination_country_code') === destination &&
            cell(zone, 'postal_prefix') === '',
        ),
      );
      expect(reached, `${location.location_id} to ${destination}`).toBe(true);
    }
  }
});
