// Keeps the tax rates whole: intervals that follow one another, a rate for whatever is sold, a source for every row, and
// the changes of law that people remember on the days on which they came.

import { describe, expect, test } from 'vitest';
import { carrierIds, cell, cells, groupBy, int, readRows, readText } from './rows.ts';

const items = readRows('items.csv');
const taxRates = readRows('tax-rates.csv');
const destinations = new Set(
  carrierIds.flatMap((id) => cells(readRows(`carriers/${id}/zones.csv`), 'destination_country_code')),
);

describe('tax rates', () => {
  test('cover at least twelve jurisdictions and every destination', () => {
    const jurisdictions = new Set(cells(taxRates, 'jurisdiction'));
    expect(jurisdictions.size).toBeGreaterThanOrEqual(12);
    const countries = new Set([...jurisdictions].map((jurisdiction) => jurisdiction.slice(0, 2)));
    for (const country of destinations) expect(countries).toContain(country);
  });

  test('start at midnight of their jurisdiction, and name a source that the README gives', () => {
    const sources = new Set([...readText('README.md').matchAll(/^- `([A-Z-]+)`: /gm)].map((match) => match[1]));
    for (const row of taxRates) {
      expect(int(row, 'rate_ppm')).toBeLessThanOrEqual(300_000);
      expect(cell(row, 'start_time')).toMatch(/^\d{4}-\d\d-\d\dT00:00:00[+-]\d\d:\d\d$/);
      expect(cell(row, 'end_time')).toMatch(/^(\d{4}-\d\d-\d\dT00:00:00[+-]\d\d:\d\d)?$/);
      expect(sources).toContain(cell(row, 'source'));
    }
  });

  test('follow one another without gap or overlap, the last of them open-ended', () => {
    for (const [key, rows] of groupBy(taxRates, 'jurisdiction', 'tax_category')) {
      const sorted = rows.toSorted((a, b) => Date.parse(cell(a, 'start_time')) - Date.parse(cell(b, 'start_time')));
      for (const [index, row] of sorted.entries()) {
        expect(cell(row, 'end_time'), key).toBe(sorted[index + 1]?.start_time ?? '');
      }
    }
  });

  test('have a standard rate wherever they have any, for categories without one of their own', () => {
    for (const [jurisdiction, rows] of groupBy(taxRates, 'jurisdiction')) {
      expect(cells(rows, 'tax_category'), jurisdiction).toContain('standard');
    }
    const categories = new Set([...cells(items, 'tax_category'), 'shipping']);
    for (const category of cells(taxRates, 'tax_category')) expect(categories).toContain(category);
  });

  test.each([
    ['DE', 'standard', '2020-07-01', 160_000],
    ['DE', 'standard', '2021-01-01', 190_000],
    ['DE', 'books', '2026-11-24', 70_000],
    ['SE', 'food', '2026-03-31', 120_000],
    ['SE', 'food', '2026-11-24', 60_000],
    ['SE', 'food', '2028-01-01', 120_000],
    ['GB', 'children_clothing', '2026-11-24', 0],
    ['JP', 'food', '2026-11-24', 80_000],
    ['CA-ON', 'books', '2025-02-15', 0],
    ['CA-ON', 'books', '2025-02-16', 50_000],
    ['US-CA', 'standard', '2026-11-24', 72_500],
  ])('%s %s on %s is %i ppm', (jurisdiction, category, date, ppm) => {
    const noon = Date.parse(`${date}T12:00:00Z`);
    const found = taxRates.filter(
      (row) =>
        cell(row, 'jurisdiction') === jurisdiction &&
        cell(row, 'tax_category') === category &&
        Date.parse(cell(row, 'start_time')) <= noon &&
        (cell(row, 'end_time') === '' || noon < Date.parse(cell(row, 'end_time'))),
    );
    expect(found.map((row) => int(row, 'rate_ppm'))).toEqual([ppm]);
  });
});
