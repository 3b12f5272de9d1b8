// Composing a quote: amounts that add up exactly, by hand-made examples and by laws.

import { toBinary } from '@bufbuild/protobuf';
import { type Quote, QuoteSchema } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import type { TaxedAmount } from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { AMOUNT_MAX } from '@weft/values/money';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ApplicableRate, TaxTable } from '../taxes/calculate.ts';
import { composeQuote, type QuoteInputs } from './compose.ts';

/** A line as a test writes it. */
type Line = { quantity: bigint; unitMinorUnits: bigint; taxInclusive?: boolean; taxCategory?: string };

const rate = (taxCategory: string, ratePpm: number, name = taxCategory): ApplicableRate => ({
  jurisdiction: 'DE',
  taxCategory,
  ratePpm,
  name,
});
const GERMANY = [rate('standard', 190_000), rate('food', 70_000)];

function inputs(
  lines: Record<string, Line>,
  { rates = GERMANY, shipping }: { rates?: ApplicableRate[]; shipping?: bigint } = {},
): QuoteInputs {
  const entries = Object.entries(lines);
  return {
    quantities: new Map(entries.map(([sku, { quantity }]) => [sku, quantity])),
    currencyCode: 'EUR',
    items: new Map(
      entries.map(([sku, { taxCategory = 'standard' }]) => [sku, { sku, name: `Item ${sku}`, taxCategory }]),
    ),
    prices: new Map(
      entries.map(([sku, { unitMinorUnits, taxInclusive = true }]) => [sku, { unitMinorUnits, taxInclusive }]),
    ),
    taxes: new TaxTable(rates, 'DE'),
    shipping:
      shipping === undefined
        ? undefined
        : {
            $typeName: 'weft.pricing.v1.ShippingCharge',
            rateId: 'rate-1',
            name: 'Alpenpost Express',
            charge: { $typeName: 'weft.type.v1.Money', currencyCode: 'EUR', minorUnits: shipping },
          },
  };
}

const compose = (lines: Record<string, Line>, more?: Parameters<typeof inputs>[1]) => composeQuote(inputs(lines, more));
/** Net, tax and gross in minor units. */
const parts = (amount: TaxedAmount | undefined): bigint[] =>
  [amount?.net, amount?.tax, amount?.gross].map((money) => money?.minorUnits ?? -1n);

function failureOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

describe('a quote', () => {
  test('trap 16: 1,190.00 with 19 % inside is 1,000.00 and 190.00', () => {
    const quote = compose({ MUG: { quantity: 1n, unitMinorUnits: 119_000n } });
    expect(parts(quote.lines[0]?.amount)).toEqual([100_000n, 19_000n, 119_000n]);
    expect(quote).toMatchObject({ taxInclusive: true, total: { minorUnits: 119_000n }, tax: { minorUnits: 19_000n } });
  });

  test('is rounded once per line, not per unit', () => {
    // 25 x 0.13 = 3.25 net, 19 % of it 0.6175; per unit it would be 25 x 0.02.
    const quote = compose({ PIN: { quantity: 25n, unitMinorUnits: 13n, taxInclusive: false } });
    expect(parts(quote.lines[0]?.amount)).toEqual([325n, 62n, 387n]);
  });

  test('carries shipping on the basis of the prices, at its own rate or the standard one', () => {
    const lines = { BREAD: { quantity: 3n, unitMinorUnits: 249n, taxCategory: 'food' } };
    const standard = compose(lines, { shipping: 595n });
    expect(standard.shipping).toMatchObject({ rateId: 'rate-1', name: 'Alpenpost Express' });
    expect(parts(standard.shipping?.amount)).toEqual([500n, 95n, 595n]);
    expect(standard.itemsGross?.minorUnits).toBe(747n);
    expect(standard.total?.minorUnits).toBe(747n + 595n);
    expect(standard.taxes.map(({ name, net, tax }) => [name, net?.minorUnits, tax?.minorUnits])).toEqual([
      ['standard', 500n, 95n],
      ['food', 698n, 49n],
    ]);
    const own = compose(lines, { shipping: 595n, rates: [...GERMANY, rate('shipping', 0)] });
    expect(parts(own.shipping?.amount)).toEqual([595n, 0n, 595n]);
    const net = compose({ BREAD: { ...lines.BREAD, taxInclusive: false } }, { shipping: 500n });
    expect(parts(net.shipping?.amount)).toEqual([500n, 95n, 595n]);
  });

  test('for nothing is a quote', () => {
    const quote = compose({ GIFT: { quantity: 9n, unitMinorUnits: 0n } }, { shipping: 0n });
    expect(parts(quote.lines[0]?.amount)).toEqual([0n, 0n, 0n]);
    expect([quote.total?.minorUnits, quote.tax?.minorUnits]).toEqual([0n, 0n]);
  });
});

describe('is refused', () => {
  const lines = { MUG: { quantity: 1n, unitMinorUnits: 100n }, POT: { quantity: 1n, unitMinorUnits: 100n } };

  test('without an item, a price or a rate, each told', () => {
    const complete = inputs(lines);
    const noItem = failureOf(() => composeQuote({ ...complete, items: new Map([...complete.items].slice(0, 1)) }));
    expect([reasonOf(noItem), metadataOf(noItem)]).toEqual(['ITEM_NOT_FOUND', { sku: 'POT' }]);
    const noPrice = failureOf(() => composeQuote({ ...complete, prices: new Map([...complete.prices].slice(0, 1)) }));
    expect([reasonOf(noPrice), metadataOf(noPrice)]).toEqual(['PRICE_NOT_FOUND', { sku: 'POT', currency_code: 'EUR' }]);
    const noRate = failureOf(() => compose(lines, { rates: [rate('food', 1)] }));
    expect([reasonOf(noRate), metadataOf(noRate)]).toEqual([
      'TAX_RATE_MISSING',
      { jurisdiction: 'DE', tax_category: 'standard' },
    ]);
  });

  test('with prices that include tax beside prices that do not', () => {
    const mixed = () => compose({ ...lines, POT: { ...lines.POT, taxInclusive: false } });
    expect(reasonOf(failureOf(mixed))).toBe('TAX_BASIS_MIXED');
  });

  test('when any amount leaves its range: a line, its gross, shipping, or the sum', () => {
    const line = (minorUnits: bigint, taxInclusive: boolean) => ({
      quantity: 1_000n,
      unitMinorUnits: minorUnits,
      taxInclusive,
    });
    const most = AMOUNT_MAX / 1_000n;
    compose({ MUG: line(most, true) });
    for (const over of [
      () => compose({ MUG: line(most + 1n, true) }),
      () => compose({ MUG: line(most, false) }),
      () => compose({ MUG: line(most, true), POT: line(1n, true) }),
      () => compose({ MUG: line(most, true) }, { shipping: 1n }),
      () => compose({ MUG: line(1n, false) }, { shipping: AMOUNT_MAX }),
    ]) {
      expect(reasonOf(failureOf(over))).toBe('AMOUNT_OUT_OF_RANGE');
    }
  });
});

describe('always', () => {
  const category = fc.constantFrom('standard', 'food', 'books', 'shipping');
  const rates = fc
    .record({ standard: fc.nat(1_000_000), food: fc.nat(1_000_000), shipping: fc.nat(1_000_000) })
    .map((ppm) => Object.entries(ppm).map(([taxCategory, ratePpm]) => rate(taxCategory, ratePpm)));
  const order = fc.record({
    lines: fc.uniqueArray(
      fc.record({
        sku: fc.stringMatching(/^[A-Z0-9]{1,8}$/),
        quantity: fc.bigInt({ min: 1n, max: 100_000n }),
        unitMinorUnits: fc.bigInt({ min: 0n, max: 10_000_000n }),
        taxCategory: category,
      }),
      { selector: ({ sku }) => sku, minLength: 1, maxLength: 20 },
    ),
    taxInclusive: fc.boolean(),
    rates,
    shipping: fc.option(fc.bigInt({ min: 0n, max: 1_000_000n }), { nil: undefined }),
  });
  type Order = typeof order extends fc.Arbitrary<infer T> ? T : never;

  const quoteOf = ({ lines, taxInclusive, rates, shipping }: Order): Quote =>
    compose(Object.fromEntries(lines.map((line) => [` ${line.sku}`, { ...line, taxInclusive }])), {
      rates,
      ...(shipping === undefined ? {} : { shipping }),
    });
  const sum = (amounts: readonly (bigint | undefined)[]) => amounts.reduce<bigint>((all, one) => all + (one ?? 0n), 0n);

  test('gross = net + tax, and total = sum of the lines + shipping, exactly', () => {
    fc.assert(
      fc.property(order, (one) => {
        const quote = quoteOf(one);
        const amounts = [...quote.lines, ...(quote.shipping === undefined ? [] : [quote.shipping])].map(
          ({ amount }) => amount,
        );
        for (const [net = -1n, tax = -1n, gross = -1n] of amounts.map(parts)) {
          expect(net >= 0n && tax >= 0n).toBe(true);
          expect(net + tax).toBe(gross);
        }
        const gross = sum(quote.lines.map(({ amount }) => amount?.gross?.minorUnits));
        expect(quote.itemsGross?.minorUnits).toBe(gross);
        expect(quote.total?.minorUnits).toBe(gross + (quote.shipping?.amount?.gross?.minorUnits ?? 0n));
        expect(quote.tax?.minorUnits).toBe(sum(amounts.map((amount) => amount?.tax?.minorUnits)));
        expect(quote.tax?.minorUnits).toBe(sum(quote.taxes.map(({ tax }) => tax?.minorUnits)));
        expect(quote.total?.minorUnits).toBe(
          sum(quote.taxes.flatMap(({ net, tax }) => [net?.minorUnits, tax?.minorUnits])),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('what is asked is unit price times quantity, and the tax is never half a minor unit off', () => {
    fc.assert(
      fc.property(order, (one) => {
        const quote = quoteOf(one);
        expect(quote.taxInclusive).toBe(one.taxInclusive);
        for (const { unitPrice, quantity, amount } of quote.lines) {
          const [net = 0n, tax = 0n, gross = 0n] = parts(amount);
          expect(one.taxInclusive ? gross : net).toBe((unitPrice?.minorUnits ?? -1n) * quantity);
          // |tax - base * rate / whole| <= 1/2, without a fraction: both sides times 2 * whole.
          const ppm = BigInt(amount?.ratePpm ?? 0);
          const [base, whole] = one.taxInclusive ? [gross, 1_000_000n + ppm] : [net, 1_000_000n];
          const off = 2n * (tax * whole - base * ppm);
          expect(off <= whole && off > -whole).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('the same inputs give the same bytes, and each line is what it would be alone', () => {
    fc.assert(
      fc.property(order, (one) => {
        const quote = quoteOf(one);
        expect(toBinary(QuoteSchema, quoteOf(structuredClone(one)))).toEqual(toBinary(QuoteSchema, quote));
        for (const [index, line] of one.lines.entries()) {
          expect(quoteOf({ ...one, lines: [line], shipping: undefined }).lines[0]).toEqual(quote.lines[index]);
        }
      }),
    );
  });
});
