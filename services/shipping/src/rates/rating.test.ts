// Rating: dimensional weight, steps and ranking, by hand-made examples and by laws.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chargeableGrams, chargeFor, type Parcel, rankCharges, type Tariff } from './rating.ts';

const parcel = (weightGrams: number, sides: Parcel['sides'] = [100, 100, 100], originCountryCode = 'DE'): Parcel => ({
  originCountryCode,
  sides,
  weightGrams,
});
const tariff = (serviceId: string, prices: Record<number, bigint>, more: Partial<Tariff> = {}): Tariff => ({
  carrierId: 'alpenpost',
  serviceId,
  name: `Alpenpost ${serviceId}`,
  dimensionalDivisor: 5_000,
  minTransitDays: 1,
  maxTransitDays: 2,
  stepsByOrigin: new Map([
    ['DE', Object.entries(prices).map(([grams, minorUnits]) => ({ maxWeightGrams: Number(grams), minorUnits }))],
  ]),
  ...more,
});

test('charges the heavier of true and dimensional weight, rounded up to the gram', () => {
  // 400 x 300 x 200 mm = 24,000 cm3; 5,000 cm3 are a kilogram.
  expect(chargeableGrams(parcel(1_000, [400, 300, 200]), 5_000)).toBe(4_800);
  expect(chargeableGrams(parcel(1_000, [401, 301, 201]), 5_000)).toBe(4_853); // 4,852.22
  expect(chargeableGrams(parcel(9_000, [400, 300, 200]), 5_000)).toBe(9_000);
  expect(chargeableGrams(parcel(1_000, [400, 300, 200]), 0)).toBe(1_000);
});

describe('chargeFor', () => {
  const standard = tariff('standard', { 1000: 499n, 5000: 799n, 10000: 1_099n });

  test('takes the lightest step that holds the parcel, its limit included', () => {
    expect(chargeFor(standard, [parcel(1_000)])).toBe(499n);
    expect(chargeFor(standard, [parcel(1_001)])).toBe(799n);
  });

  test('adds up over parcels', () => {
    expect(chargeFor(standard, [parcel(500), parcel(6_000), parcel(5_000)])).toBe(499n + 1_099n + 799n);
  });

  test('carries all parcels or none', () => {
    expect(chargeFor(standard, [parcel(500), parcel(10_001)])).toBeUndefined();
    expect(chargeFor(standard, [parcel(500), parcel(500, [100, 100, 100], 'JP')])).toBeUndefined();
  });

  test('does not offer a charge that money cannot hold', () => {
    const dear = tariff('dear', { 1000: 10n ** 15n });
    expect(chargeFor(dear, [parcel(1)])).toBe(10n ** 15n);
    expect(chargeFor(dear, [parcel(1), parcel(1)])).toBeUndefined();
  });

  test('always: a heavier or larger parcel never costs less where prices grow with weight', () => {
    const grams = fc.integer({ min: 1, max: 10_000 });
    const side = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(grams, grams, side, side, (a, b, length, more) => {
        const small = parcel(Math.min(a, b), [length, 100, 100]);
        const large = parcel(Math.max(a, b), [length + more, 100, 100]);
        expect((chargeFor(standard, [small]) ?? 0n) <= (chargeFor(standard, [large]) ?? 10_000n)).toBe(true);
      }),
    );
  });
});

test('ranks by price, then speed, then name, and leaves out who does not carry', () => {
  const services = [
    tariff('slow', { 1000: 500n }, { maxTransitDays: 5 }),
    tariff('express', { 1000: 900n }),
    tariff('light', { 100: 100n }),
    tariff('quick', { 1000: 500n }, { maxTransitDays: 2 }),
    tariff('also-quick', { 1000: 500n }, { maxTransitDays: 2 }),
  ];
  expect(rankCharges(services, [parcel(200)]).map(({ tariff: { serviceId } }) => serviceId)).toEqual([
    'also-quick',
    'quick',
    'slow',
    'express',
  ]);
});
