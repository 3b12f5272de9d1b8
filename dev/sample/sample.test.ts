// Keeps the sample shop true to what README.md says of it: every row is well formed, what one file names another one has,
// and every item can be priced and packed. Taxes and carriers have tests of their own beside this one.

import { describe, expect, test } from 'vitest';
import { cell, cells, groupBy, int, readRows, readText, sides } from './rows.ts';

type Location = Readonly<{
  location_id: string;
  address: Readonly<{ lines: string[]; city: string; postal_code: string; country_code: string }>;
  time_zone: string;
  served_country_codes: string[];
}>;

const currencies = ['EUR', 'GBP', 'JPY', 'USD'];
const items = readRows('items.csv');
const skus = new Set(cells(items, 'sku'));
const prices = readRows('prices.csv');
const lots = readRows('lots.csv');
const plainStock = readRows('stock.csv');
const stock = [...plainStock, ...lots];
const kits = readRows('kits.csv');
const kitSkus = new Set(cells(kits, 'kit_sku'));
const policies = readRows('stock-policies.csv');
const cartons = readRows('cartons.csv');
const locations: Location[] = JSON.parse(readText('locations.json'));

const twice = (values: string[]) => values.filter((value, index) => values.indexOf(value) !== index);

describe('items', () => {
  test('are at least 240 in at least ten categories of at least ten', () => {
    expect(items.length).toBeGreaterThanOrEqual(240);
    const categories = Map.groupBy(items, (row) => cell(row, 'category').split('/')[0]);
    expect(categories.size).toBeGreaterThanOrEqual(10);
    for (const [name, rows] of categories) expect(rows.length, name).toBeGreaterThanOrEqual(10);
  });

  test('have a SKU, a name and a description of their own', () => {
    for (const name of ['sku', 'name', 'description', 'gtin']) expect(twice(cells(items, name)), name).toEqual([]);
    for (const row of items) {
      expect(cell(row, 'sku')).toMatch(/^[A-Z]{3}(-[A-Z0-9]+){1,5}$/);
      expect(cell(row, 'description')).toMatch(/^[A-Z].{20,}[.?!]$/);
      expect(cell(row, 'category')).toMatch(/^[a-z-]+\/[a-z-]+$/);
    }
  });

  test('have GTIN-13s of a restricted-circulation prefix with a right check digit', () => {
    for (const gtin of cells(items, 'gtin')) {
      expect(gtin).toMatch(/^2\d{12}$/);
      const sum = [...gtin].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 1 : 3), 0);
      expect(sum % 10, gtin).toBe(0);
    }
  });

  test('have a plausible size, weight and density', () => {
    for (const row of items) {
      const [length, width, height] = sides(row);
      expect(length >= width && width >= height && height >= 10 && length <= 1000, cell(row, 'sku')).toBe(true);
      const grams = int(row, 'weight_grams');
      expect(grams >= 10 && grams <= 20_000, cell(row, 'sku')).toBe(true);
      const milligramsPerCm3 = (grams * 1_000_000) / (length * width * height);
      expect(milligramsPerCm3 > 20 && milligramsPerCm3 < 20_000, `${cell(row, 'sku')} ${milligramsPerCm3}`).toBe(true);
    }
  });

  test('have a customs code whose chapter fits their tax category', () => {
    const chapters: Readonly<Record<string, RegExp>> = {
      books: /^49/,
      children_clothing: /^6[1245]/,
      coffee_tea: /^09/,
      food: /^(0[1-9]|1[0-9]|2[0-2])/,
      standard: /^(3\d|[4-8]\d|9[0-6])/,
    };
    expect(new Set(cells(items, 'tax_category'))).toEqual(new Set(Object.keys(chapters)));
    for (const row of items) {
      expect(cell(row, 'customs_code'), cell(row, 'sku')).toMatch(/^\d{6}$/);
      expect(cell(row, 'customs_code'), cell(row, 'sku')).toMatch(chapters[cell(row, 'tax_category')] ?? /^$/);
      expect(cell(row, 'origin_country_code')).toMatch(/^[A-Z]{2}$/);
    }
  });

  test('fit into a carton each, whichever way they are turned', () => {
    for (const row of items) {
      const item = sides(row);
      const fits = cartons.some(
        (carton) =>
          sides(carton).every((side, axis) => side >= (item[axis] ?? Infinity)) &&
          int(carton, 'max_content_grams') >= int(row, 'weight_grams'),
      );
      expect(fits, cell(row, 'sku')).toBe(true);
    }
  });
});

describe('locations and stock', () => {
  test('are four warehouses in four time zones that exist, and one of them ships everywhere', () => {
    expect(locations).toHaveLength(4);
    expect(new Set(locations.map((location) => location.time_zone)).size).toBe(4);
    for (const { time_zone, address } of locations) {
      expect(() => new Intl.DateTimeFormat('en', { timeZone: time_zone })).not.toThrow();
      expect(address.lines.length).toBeGreaterThan(0);
      expect([address.city, address.postal_code].every((part) => part.length > 0)).toBe(true);
    }
    expect(locations.some((location) => location.served_country_codes.length === 0)).toBe(true);
  });

  test('name items and locations that exist, once each', () => {
    const ids = new Set(locations.map((location) => location.location_id));
    expect(new Set(cells(stock, 'location_id'))).toEqual(ids);
    expect(cells(stock, 'sku').filter((sku) => !skus.has(sku))).toEqual([]);
    expect([...groupBy(plainStock, 'sku', 'location_id').values()].filter((rows) => rows.length > 1)).toEqual([]);
  });

  test('hold most items, some of them low, a few nowhere', () => {
    const onHand = [...groupBy(stock, 'sku').values()].map((rows) =>
      rows.reduce((sum, row) => sum + int(row, 'on_hand'), 0),
    );
    expect(onHand.length).toBe(items.length - kitSkus.size);
    const soldOut = onHand.filter((units) => units === 0).length;
    expect(soldOut).toBeGreaterThanOrEqual(5);
    expect(soldOut).toBeLessThan(30);
    expect(stock.filter((row) => int(row, 'on_hand') > 0 && int(row, 'on_hand') < 5).length).toBeGreaterThan(20);
    for (const row of stock) expect(int(row, 'safety')).toBeLessThanOrEqual(int(row, 'on_hand'));
  });
});

describe('kits and policies', () => {
  test('kits consist of items that are no kits, and have no stock of their own', () => {
    expect(kitSkus.size).toBeGreaterThan(0);
    expect([...kitSkus].filter((sku) => !skus.has(sku))).toEqual([]);
    expect(cells(kits, 'sku').filter((sku) => !skus.has(sku) || kitSkus.has(sku))).toEqual([]);
    expect([...groupBy(kits, 'kit_sku', 'sku').values()].filter((rows) => rows.length > 1)).toEqual([]);
    for (const row of kits) expect(int(row, 'quantity')).toBeGreaterThan(0);
    expect(cells(stock, 'sku').filter((sku) => kitSkus.has(sku))).toEqual([]);
  });

  test('something is backordered with a limit, and nothing else has one', () => {
    expect(twice(cells(policies, 'sku'))).toEqual([]);
    expect(cells(policies, 'sku').filter((sku) => !skus.has(sku) || kitSkus.has(sku))).toEqual([]);
    expect(cells(policies, 'out_of_stock_policy')).toContain('BACKORDER');
    for (const row of policies) {
      expect(int(row, 'backorder_limit') > 0).toBe(cell(row, 'out_of_stock_policy') === 'BACKORDER');
    }
  });

  test('what is kept by lot has its stock in lots, each with one expiry', () => {
    const tracked = new Set(
      cells(
        policies.filter((row) => cell(row, 'lot_tracked') === 'true'),
        'sku',
      ),
    );
    expect(tracked.size).toBeGreaterThan(0);
    expect(new Set(cells(lots, 'sku'))).toEqual(tracked);
    expect(cells(plainStock, 'sku').filter((sku) => tracked.has(sku))).toEqual([]);
    for (const [lot, rows] of groupBy(lots, 'sku', 'lot_id')) {
      expect(new Set(cells(rows, 'lot_expire_time')).size, lot).toBe(1);
    }
  });
});

describe('prices', () => {
  test('are there for every item in every currency, and for nothing else', () => {
    const plain = prices.filter((row) => cell(row, 'min_quantity') === '1');
    expect(plain.length).toBe(items.length * currencies.length);
    expect(new Set(plain.map((row) => `${cell(row, 'sku')} ${cell(row, 'currency_code')}`))).toEqual(
      new Set([...skus].flatMap((sku) => currencies.map((currency) => `${sku} ${currency}`))),
    );
    expect(cells(prices, 'sku').filter((sku) => !skus.has(sku))).toEqual([]);
  });

  test('include tax but in USD, and fall as the quantity grows', () => {
    for (const row of prices) {
      expect(cell(row, 'tax_inclusive')).toBe(cell(row, 'currency_code') === 'USD' ? 'false' : 'true');
      expect(int(row, 'minor_units')).toBeGreaterThan(0);
    }
    for (const [key, tiers] of groupBy(prices, 'sku', 'currency_code')) {
      const sorted = tiers.toSorted((a, b) => int(a, 'min_quantity') - int(b, 'min_quantity'));
      for (const [index, tier] of sorted.entries()) {
        const before = sorted[index - 1];
        if (before === undefined) continue;
        expect(int(tier, 'min_quantity'), key).toBeGreaterThan(int(before, 'min_quantity'));
        expect(int(tier, 'minor_units'), key).toBeLessThan(int(before, 'minor_units'));
      }
    }
  });

  test('have tiers on some items but on no book, whose price is fixed by law in Germany', () => {
    const tiered = new Set(prices.filter((row) => int(row, 'min_quantity') > 1).map((row) => cell(row, 'sku')));
    expect(tiered.size).toBeGreaterThan(50);
    const books = items.filter((row) => cell(row, 'tax_category') === 'books').map((row) => cell(row, 'sku'));
    expect(books.filter((sku) => tiered.has(sku))).toEqual([]);
  });
});
