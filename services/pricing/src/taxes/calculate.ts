/**
 * Tax on amounts, in exact integers. Pure functions: rates come in as data.
 *
 * Rounded half up to the minor unit, once per line. The jurisdiction is the destination's subdivision when that taxes by
 * itself, else its country; a category without a rate of its own takes the jurisdiction's `standard` rate.
 */

import { create } from '@bufbuild/protobuf';
import {
  type TaxedAmount,
  TaxedAmountSchema,
  type TaxSummary,
  TaxSummarySchema,
} from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import { isAmount } from '@weft/values/money';
import { shareOf, taxWithin } from '@weft/values/rates';

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
  readonly #jurisdictions: readonly string[];

  /**
   * @param rates all that apply at the instant in the jurisdictions that could decide.
   * @param jurisdictions those, the one that decides first coming first: `['US-CA', 'US']`.
   */
  constructor(rates: readonly ApplicableRate[], jurisdictions: readonly string[]) {
    const deciding = jurisdictions.find((one) => rates.some((rate) => rate.jurisdiction === one));
    const of = rates.filter((rate) => rate.jurisdiction === deciding);
    this.#byCategory = new Map(of.map((rate) => [rate.taxCategory, rate]));
    this.#jurisdictions = jurisdictions;
  }

  /**
   * The rate of a category.
   *
   * @throws TAX_RATE_MISSING when there is neither one of its own nor a standard rate.
   */
  rateOf(taxCategory: string): ApplicableRate {
    const rate = this.#byCategory.get(taxCategory) ?? this.#byCategory.get(STANDARD);
    if (rate === undefined) {
      const jurisdiction = this.#jurisdictions[0] ?? '';
      throw fail('TAX_RATE_MISSING', `Nothing can be sold to ${jurisdiction}: no tax rate is known there.`, {
        jurisdiction,
        tax_category: taxCategory,
      });
    }
    return rate;
  }
}

/** The jurisdictions of a destination, the more specific first. */
export function jurisdictionsOf(destination: { countryCode: string; regionCode: string }): string[] {
  const { countryCode, regionCode } = destination;
  return regionCode === '' ? [countryCode] : [`${countryCode}-${regionCode}`, countryCode];
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
    const key = JSON.stringify([amount.jurisdiction, 1_000_000 - amount.ratePpm, amount.name]);
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

/**
 * Money within bounds.
 *
 * @throws AMOUNT_OUT_OF_RANGE
 */
export function money(minorUnits: bigint, currencyCode: string): { currencyCode: string; minorUnits: bigint } {
  if (!isAmount(minorUnits)) {
    throw fail('AMOUNT_OUT_OF_RANGE');
  }
  return { currencyCode, minorUnits };
}

function compare(a: TaxedAmount, b: TaxedAmount): number {
  if (a.jurisdiction !== b.jurisdiction) {
    return a.jurisdiction < b.jurisdiction ? -1 : 1;
  }
  return b.ratePpm - a.ratePpm || (a.name < b.name ? -1 : 1);
}
