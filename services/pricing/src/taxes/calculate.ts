/**
 * Tax on amounts, in exact integers. Pure functions: rates come in as data.
 *
 * Rounded half up to the minor unit, once per line. Always net + tax = gross.
 */

import { create } from '@bufbuild/protobuf';
import {
  type TaxedAmount,
  TaxedAmountSchema,
  type TaxSummary,
  TaxSummarySchema,
} from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import { shareOf, taxWithin } from '@weft/values/rates';
import { money } from '../currency.ts';

/** A rate that applies. */
export type ApplicableRate = {
  readonly jurisdiction: string;
  readonly taxCategory: string;
  readonly ratePpm: number;
  readonly name: string;
};

const STANDARD = 'standard';

/** The rates of one jurisdiction at one instant. */
export class TaxTable {
  readonly #byCategory: ReadonlyMap<string, ApplicableRate>;
  readonly #place: string;

  /**
   * @param rates one for each category.
   * @param place where something goes, such as `US-CA`, for the error.
   */
  constructor(rates: readonly ApplicableRate[], place: string) {
    this.#byCategory = new Map(rates.map((rate) => [rate.taxCategory, rate]));
    this.#place = place;
  }

  /**
   * The rate of a category; one without a rate of its own takes the jurisdiction's `standard` rate.
   *
   * @throws TAX_RATE_MISSING when there is neither.
   */
  rateOf(taxCategory: string): ApplicableRate {
    const rate = this.#byCategory.get(taxCategory) ?? this.#byCategory.get(STANDARD);
    if (rate === undefined) {
      throw fail('TAX_RATE_MISSING', `Nothing can be sold to ${this.#place}: it has no tax rate at that time.`, {
        jurisdiction: this.#place,
        tax_category: taxCategory,
      });
    }
    return rate;
  }
}

/**
 * Net, tax and gross of an amount.
 *
 * @param minorUnits net or, when `taxInclusive`, gross; not negative.
 * @throws AMOUNT_OUT_OF_RANGE when one of the three exceeds every bound.
 */
export function taxAmount(
  minorUnits: bigint,
  currencyCode: string,
  taxInclusive: boolean,
  rate: ApplicableRate,
): TaxedAmount {
  const ppm = BigInt(rate.ratePpm);
  const tax = taxInclusive ? taxWithin(minorUnits, ppm, 'HALF_UP') : shareOf(minorUnits, ppm, 'HALF_UP');
  const net = taxInclusive ? minorUnits - tax : minorUnits;
  return create(TaxedAmountSchema, {
    net: money(net, currencyCode),
    tax: money(tax, currencyCode),
    gross: money(net + tax, currencyCode),
    ratePpm: rate.ratePpm,
    jurisdiction: rate.jurisdiction,
    name: rate.name,
  });
}

/** The amounts' sums by rate, sorted by jurisdiction, then rate, highest first, then name. */
export function summarize(amounts: readonly TaxedAmount[], currencyCode: string): TaxSummary[] {
  const groups = new Map<string, { amount: TaxedAmount; net: bigint; tax: bigint }>();
  for (const amount of amounts) {
    const key = JSON.stringify([amount.jurisdiction, amount.ratePpm, amount.name]);
    const group = groups.get(key) ?? { amount, net: 0n, tax: 0n };
    group.net += amount.net?.minorUnits ?? 0n;
    group.tax += amount.tax?.minorUnits ?? 0n;
    groups.set(key, group);
  }
  return [...groups.values()]
    .sort((a, b) => compare(a.amount, b.amount))
    .map(({ amount, net, tax }) =>
      create(TaxSummarySchema, {
        jurisdiction: amount.jurisdiction,
        name: amount.name,
        ratePpm: amount.ratePpm,
        net: money(net, currencyCode),
        tax: money(tax, currencyCode),
      }),
    );
}

function compare(a: TaxedAmount, b: TaxedAmount): number {
  if (a.jurisdiction !== b.jurisdiction) {
    return a.jurisdiction < b.jurisdiction ? -1 : 1;
  }
  return b.ratePpm - a.ratePpm || (a.name < b.name ? -1 : 1);
}
