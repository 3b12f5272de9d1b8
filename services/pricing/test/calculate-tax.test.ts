// CalculateTax: exact integers on either basis, the right place's rate, the right date's rate.

import { Code } from '@connectrpc/connect';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { at, outcomeOf, place, putRate, startPricing, type TestPricing } from './harness.ts';

let pricing: TestPricing;
beforeAll(async () => {
  pricing = await startPricing();
  await putRate(pricing, {
    jurisdiction: 'DE',
    startTime: at('2007-01-01T00:00:00+01:00'),
    endTime: at('2020-07-01T00:00:00+02:00'),
  });
  await putRate(pricing, {
    jurisdiction: 'DE',
    ratePpm: 160_000,
    startTime: at('2020-07-01T00:00:00+02:00'),
    endTime: at('2021-01-01T00:00:00+01:00'),
  });
  await putRate(pricing, { jurisdiction: 'DE', startTime: at('2021-01-01T00:00:00+01:00') });
  await putRate(pricing, { jurisdiction: 'DE', taxCategory: 'food', ratePpm: 70_000, name: 'MwSt. ermäßigt' });
  await putRate(pricing, { jurisdiction: 'US', ratePpm: 0, name: 'No sales tax' });
  await putRate(pricing, { jurisdiction: 'US-CA', ratePpm: 72_500, name: 'Sales tax' });
  await putRate(pricing, { jurisdiction: 'JP', ratePpm: 100_000, name: '消費税' });
});
afterAll(() => pricing?.stop());

type Amounts = readonly (readonly [minorUnits: bigint, taxCategory: string])[];
type Options = { taxInclusive?: boolean; to?: ReturnType<typeof place>; asOf?: string; currencyCode?: string };

function calculate(
  amounts: Amounts,
  { taxInclusive = false, to = place('DE'), asOf, currencyCode = 'EUR' }: Options = {},
) {
  return pricing.taxes.calculateTax({
    amounts: amounts.map(([minorUnits, taxCategory]) => ({ amount: { currencyCode, minorUnits }, taxCategory })),
    taxInclusive,
    destination: to,
    ...(asOf === undefined ? {} : { asOfTime: at(asOf) }),
  });
}

/** Net, tax and gross of one amount. */
async function parts(minorUnits: bigint, options: Options & { taxCategory?: string } = {}) {
  const { amounts } = await calculate([[minorUnits, options.taxCategory ?? 'standard']], options);
  return amounts.map(({ net, tax, gross }) => [net?.minorUnits, tax?.minorUnits, gross?.minorUnits])[0];
}
const rateOf = async (to: ReturnType<typeof place>, asOf?: string) => {
  const { amounts } = await calculate([[100n, 'standard']], { to, ...(asOf === undefined ? {} : { asOf }) });
  return amounts[0]?.ratePpm;
};

describe('trap 16: tax in the price’s own basis', () => {
  test('1,190.00 with 19 % inside is 1,000.00 and 190.00; on top of 1,000.00 it is the same', async () => {
    expect(await parts(119_000n, { taxInclusive: true })).toEqual([100_000n, 19_000n, 119_000n]);
    expect(await parts(100_000n)).toEqual([100_000n, 19_000n, 119_000n]);
  });

  test('half a cent is rounded up, once per amount', async () => {
    // 0.50 * 7 % = 0.035; 0.49 * 7 % = 0.0343
    expect(await parts(50n, { taxCategory: 'food' })).toEqual([50n, 4n, 54n]);
    expect(await parts(49n, { taxCategory: 'food' })).toEqual([49n, 3n, 52n]);
    // 9.99 / 1.19 = 8.3949...
    expect(await parts(999n, { taxInclusive: true })).toEqual([839n, 160n, 999n]);
    // Three times 0.035 is 0.12 by amount, not 0.11 by sum.
    const { tax } = await calculate([
      [50n, 'food'],
      [50n, 'food'],
      [50n, 'food'],
    ]);
    expect(tax?.minorUnits).toBe(12n);
  });

  test('net + tax = gross, and what is given is kept, for every amount up to 3.00', async () => {
    const minorUnits = Array.from({ length: 200 }, (_, index) => BigInt(index) * 3n + 1n);
    for (const taxInclusive of [true, false]) {
      for (const taxCategory of ['standard', 'food']) {
        const { amounts } = await calculate(
          minorUnits.map((one) => [one, taxCategory] as const),
          { taxInclusive },
        );
        for (const [index, { net, tax, gross }] of amounts.entries()) {
          expect((net?.minorUnits ?? 0n) + (tax?.minorUnits ?? 0n)).toBe(gross?.minorUnits);
          expect((taxInclusive ? gross : net)?.minorUnits).toBe(minorUnits[index]);
        }
      }
    }
  });

  test('nothing is taxed with nothing, and a zero rate is a rate', async () => {
    expect(await parts(0n)).toEqual([0n, 0n, 0n]);
    expect(await parts(0n, { taxInclusive: true })).toEqual([0n, 0n, 0n]);
    for (const taxInclusive of [true, false]) {
      expect(await parts(1_999n, { taxInclusive, to: place('US') })).toEqual([1_999n, 0n, 1_999n]);
    }
  });

  test('yen have no decimals to round to', async () => {
    const options = { to: place('JP'), currencyCode: 'JPY' };
    expect(await parts(1_985n, options)).toEqual([1_985n, 199n, 2_184n]);
    expect(await parts(2_184n, { ...options, taxInclusive: true })).toEqual([1_985n, 199n, 2_184n]);
  });
});

describe('sums', () => {
  test('by rate, the highest first; their tax is all tax', async () => {
    const { amounts, summaries, tax } = await calculate([
      [1_000n, 'food'],
      [10_000n, 'standard'],
      [333n, 'food'],
      [1n, 'toys'],
    ]);
    expect(amounts.map((amount) => [amount.name, amount.ratePpm, amount.jurisdiction, amount.tax?.minorUnits])).toEqual(
      [
        ['MwSt. ermäßigt', 70_000, 'DE', 70n],
        ['MwSt.', 190_000, 'DE', 1_900n],
        ['MwSt. ermäßigt', 70_000, 'DE', 23n],
        // A category without a rate of its own takes the standard rate.
        ['MwSt.', 190_000, 'DE', 0n],
      ],
    );
    expect(summaries.map((one) => [one.name, one.net?.minorUnits, one.tax?.minorUnits])).toEqual([
      ['MwSt.', 10_001n, 1_900n],
      ['MwSt. ermäßigt', 1_333n, 93n],
    ]);
    expect(tax).toMatchObject({ currencyCode: 'EUR', minorUnits: 1_993n });
  });

  test('that nobody can owe are refused', async () => {
    const most = 1_000_000_000_000_000n;
    expect(await parts(most, { taxInclusive: true })).toEqual([840_336_134_453_782n, 159_663_865_546_218n, most]);
    const error = await calculate([[most, 'standard']]).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: Code.OutOfRange });
    expect(reasonOf(error)).toBe('AMOUNT_OUT_OF_RANGE');
    expect(
      await outcomeOf(
        calculate(
          [
            [most, 'food'],
            [most, 'food'],
          ],
          { taxInclusive: true },
        ),
      ),
    ).toBe('AMOUNT_OUT_OF_RANGE');
  });
});

describe('whose rate', () => {
  test('a subdivision that taxes decides; any other falls back to its country', async () => {
    expect(await rateOf(place('US', 'CA'))).toBe(72_500);
    expect(await rateOf(place('US', 'OR'))).toBe(0);
    expect(await rateOf(place('US'))).toBe(0);
    expect(await rateOf(place('DE', 'BY'))).toBe(190_000);
  });

  test('a subdivision that has rates at other times only is not taxed as its country is', async () => {
    await putRate(pricing, { jurisdiction: 'US-NV', ratePpm: 68_500, endTime: at('2021-01-01T00:00:00Z') });
    expect(await rateOf(place('US', 'NV'), '2020-06-01T00:00:00Z')).toBe(68_500);
    const error = await calculate([[1n, 'standard']], { to: place('US', 'NV') }).catch((caught: unknown) => caught);
    expect(reasonOf(error)).toBe('TAX_RATE_MISSING');
    expect(metadataOf(error)).toMatchObject({ jurisdiction: 'US-NV' });
  });

  test('where there is none, nothing can be sold, and the place is told', async () => {
    const error = await calculate([[1n, 'standard']], { to: place('FR', 'IDF') }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: Code.FailedPrecondition });
    expect(reasonOf(error)).toBe('TAX_RATE_MISSING');
    expect(metadataOf(error)).toEqual({ jurisdiction: 'FR-IDF', tax_category: 'standard' });
    // A country that taxes food only sells nothing else.
    await putRate(pricing, { jurisdiction: 'IT', taxCategory: 'food' });
    expect(await outcomeOf(calculate([[1n, 'books']], { to: place('IT') }))).toBe('TAX_RATE_MISSING');
  });
});

describe('trap 20: which date’s rate', () => {
  test('is that of the instant asked for: half open, to the millisecond', async () => {
    const rates = [
      ['2006-12-31T22:59:59.999Z', undefined],
      ['2006-12-31T23:00:00Z', 190_000],
      ['2020-06-30T21:59:59.999Z', 190_000],
      ['2020-06-30T22:00:00Z', 160_000],
      ['2020-12-31T22:59:59.999Z', 160_000],
      ['2020-12-31T23:00:00Z', 190_000],
      ['9999-12-31T23:59:59.999Z', 190_000],
    ] as const;
    for (const [asOf, expected] of rates) {
      const rate = await rateOf(place('DE'), asOf).catch((error: unknown) => reasonOf(error));
      expect([asOf, rate]).toEqual([asOf, expected ?? 'TAX_RATE_MISSING']);
    }
    expect(await rateOf(place('DE'))).toBe(190_000);
  });

  test('a rate that was deleted or changed is so for every date from then on', async () => {
    const { taxRateId } = await putRate(pricing, { jurisdiction: 'AT', ratePpm: 200_000 });
    expect(await rateOf(place('AT'))).toBe(200_000);
    await pricing.taxes.updateTaxRate({
      requestId: requestId(),
      taxRate: { taxRateId, ratePpm: 210_000 },
      updateMask: { paths: ['rate_ppm'] },
    });
    expect(await rateOf(place('AT'))).toBe(210_000);
    await pricing.taxes.deleteTaxRate({ requestId: requestId(), taxRateId });
    expect(await outcomeOf(rateOf(place('AT')))).toBe('TAX_RATE_MISSING');
  });
});

test('what makes no sense is refused', async () => {
  expect(await outcomeOf(calculate([]))).toBe('INVALID_FIELD');
  expect(await outcomeOf(calculate([[-1n, 'standard']]))).toBe('INVALID_FIELD');
  expect(await outcomeOf(calculate([[1n, 'Standard']]))).toBe('INVALID_FIELD');
  expect(await outcomeOf(calculate([[1n, 'standard']], { to: place('Germany') }))).toBe('INVALID_FIELD');
  expect(await outcomeOf(calculate([[1n, 'standard']], { currencyCode: 'ZZZ' }))).toBe('CURRENCY_UNSUPPORTED');
  const mixed = ['EUR', 'USD'].map((currencyCode) => ({
    amount: { currencyCode, minorUnits: 1n },
    taxCategory: 'standard',
  }));
  const call = pricing.taxes.calculateTax({ amounts: mixed, destination: place('DE') });
  expect(await outcomeOf(call)).toBe('CURRENCY_UNSUPPORTED');
  const never = pricing.taxes.calculateTax({
    amounts: mixed.slice(0, 1),
    destination: place('DE'),
    asOfTime: { seconds: 253_402_300_800n, nanos: 0 },
  });
  expect(await outcomeOf(never)).toBe('INVALID_FIELD');
});
