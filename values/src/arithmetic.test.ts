import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allocate } from './allocation.ts';
import { currencies, decimalsOf, isCurrency } from './currency.ts';
import { checkDigit, isGtin } from './gtin.ts';
import { AMOUNT_MAX, formatMinorUnits, parseMinorUnits } from './money.ts';
import { PPM, shareOf, taxWithin } from './rates.ts';
import { divideRounded, type RoundingMode } from './rounding.ts';

const amount = fc.bigInt({ min: -AMOUNT_MAX, max: AMOUNT_MAX });
const ratePpm = fc.bigInt({ min: 0n, max: PPM });

describe('rounding', () => {
  test.each<[RoundingMode, bigint, bigint, bigint, bigint]>([
    // mode, 2.5, -2.5, 3.5, 2.4
    ['HALF_UP', 3n, -3n, 4n, 2n],
    ['HALF_DOWN', 2n, -2n, 3n, 2n],
    ['HALF_EVEN', 2n, -2n, 4n, 2n],
    ['UP', 3n, -3n, 4n, 3n],
    ['DOWN', 2n, -2n, 3n, 2n],
  ])('%s of 2.5, -2.5, 3.5 and 2.4', (mode, a, b, c, d) => {
    expect(divideRounded(25n, 10n, mode)).toBe(a);
    expect(divideRounded(-25n, 10n, mode)).toBe(b);
    expect(divideRounded(35n, 10n, mode)).toBe(c);
    expect(divideRounded(24n, 10n, mode)).toBe(d);
  });

  test('is never more than one half off when it rounds to the nearest', () => {
    fc.assert(
      fc.property(amount, fc.bigInt({ min: 1n, max: 10n ** 9n }), (numerator, denominator) => {
        const off = divideRounded(numerator, denominator, 'HALF_UP') * denominator - numerator;
        expect((off < 0n ? -off : off) * 2n).toBeLessThanOrEqual(denominator);
      }),
    );
  });

  test('trap 14: 25 % off 19.99 is 14.99', () => {
    expect(1999n - shareOf(1999n, 250_000n, 'HALF_UP')).toBe(1499n);
  });

  test('refuses a denominator that is not positive', () => {
    expect(() => divideRounded(1n, 0n, 'UP')).toThrow(RangeError);
  });
});

describe('tax within a gross amount', () => {
  test('trap 16: 1,190.00 with 19 %, 119.00 off, is 1,071.00 with 171.00 tax', () => {
    expect(taxWithin(107_100n, 190_000n, 'HALF_UP')).toBe(17_100n);
  });

  test('never exceeds the gross amount, and adding tax to the net comes back within a minor unit', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: AMOUNT_MAX }), ratePpm, (gross, rate) => {
        const tax = taxWithin(gross, rate, 'HALF_UP');
        const net = gross - tax;
        const again = net + shareOf(net, rate, 'HALF_UP');
        expect(tax >= 0n && tax <= gross).toBe(true);
        expect(again - gross >= -1n && again - gross <= 1n).toBe(true);
      }),
    );
  });
});

describe('allocation', () => {
  test('trap 15: shares by largest remainder, ties to the earlier', () => {
    expect(allocate(299n, [4300n, 1400n, 2300n])).toEqual([161n, 52n, 86n]);
    expect(allocate(299n, [1000n, 1000n, 1000n])).toEqual([100n, 100n, 99n]);
    expect(allocate(5n, [30n, 70n]).reduce((sum, part) => sum + part, 0n)).toBe(5n);
  });

  test('always adds up, and no part is a whole unit off its exact share', () => {
    const weights = fc
      .array(fc.bigInt({ min: 0n, max: 10n ** 9n }), { minLength: 1, maxLength: 20 })
      .filter((all) => all.some((weight) => weight > 0n));
    fc.assert(
      fc.property(amount, weights, (whole, all) => {
        const parts = allocate(whole, all);
        const total = all.reduce((sum, weight) => sum + weight, 0n);
        expect(parts.reduce((sum, part) => sum + part, 0n)).toBe(whole);
        for (const [index, part] of parts.entries()) {
          const off = part * total - whole * (all[index] ?? 0n);
          expect((off < 0n ? -off : off) < total).toBe(true);
        }
      }),
    );
  });

  test('refuses weights that are none, all zero, or negative', () => {
    for (const weights of [[], [0n, 0n], [1n, -1n, 5n]]) expect(() => allocate(1n, weights)).toThrow(RangeError);
  });
});

describe('money', () => {
  test.each([
    ['EUR', 5_708n, '57.08'],
    ['EUR', -5n, '-0.05'],
    ['JPY', 500n, '500'],
    ['KWD', 5n, '0.005'],
    ['CLF', 12_345n, '1.2345'],
    ['MGA', 100n, '1.00'],
  ])('trap 21: %s %d is %s', (currency, minorUnits, text) => {
    expect(formatMinorUnits(minorUnits, currency)).toBe(text);
    expect(parseMinorUnits(text, currency)).toBe(minorUnits);
  });

  test('text and back is the same amount in every currency', () => {
    fc.assert(
      fc.property(amount, fc.constantFrom(...currencies()), (minorUnits, currency) => {
        expect(parseMinorUnits(formatMinorUnits(minorUnits, currency), currency)).toBe(minorUnits);
      }),
    );
  });

  test.each(['', '1.234', '1,50', ' 1', '1e3', '+1', '.5', '1.', '9'.repeat(30), 'NaN'])(
    '"%s" is no amount in EUR',
    (text) => {
      expect(() => parseMinorUnits(text, 'EUR')).toThrow(RangeError);
    },
  );

  test('unknown currencies are refused', () => {
    expect(isCurrency('EUR')).toBe(true);
    expect(isCurrency('eur')).toBe(false);
    expect(isCurrency('XXX')).toBe(false);
    expect(() => decimalsOf('ABC')).toThrow(RangeError);
  });
});

describe('GTIN', () => {
  test('trap 25: the check digit of 629104150021 is 3', () => {
    expect(checkDigit('629104150021')).toBe(3);
  });

  test.each(['96385074', '036000291452', '6291041500213', '10012345678902'])('%s is one', (gtin) => {
    expect(isGtin(gtin)).toBe(true);
  });

  test.each(['6291041500214', '629104150021', '123', '', '62910415002130', '629104150021x'])('%s is none', (text) => {
    expect(isGtin(text)).toBe(false);
  });

  test('one wrong digit is always found', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^\d{12}$/), fc.nat(11), fc.integer({ min: 1, max: 9 }), (digits, at, by) => {
        const wrong = [...digits]
          .map((digit, index) => (index === at ? String((Number(digit) + by) % 10) : digit))
          .join('');
        expect(isGtin(wrong + checkDigit(digits))).toBe(false);
      }),
    );
  });
});
