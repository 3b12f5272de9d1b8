/**
 * Composes a quote from prices, tax rates and a shipping charge. A pure function: the same inputs give the same quote.
 *
 * Always, exactly: gross = net + tax in every amount, and total = sum of the lines' gross + shipping's gross.
 */

import { create } from '@bufbuild/protobuf';
import {
  type Quote,
  type QuoteLine,
  QuoteLineSchema,
  QuoteSchema,
  type QuoteShipping,
  QuoteShippingSchema,
  type ShippingCharge,
} from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import type { TaxedAmount } from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import { money } from '../currency.ts';
import type { QuotedItem } from '../items/find.ts';
import { summarize, type TaxTable, taxAmount } from '../taxes/calculate.ts';

/** The tax category of carrying something; without a rate of its own it is taxed at the standard rate. */
const SHIPPING_CATEGORY = 'shipping';

/** What one unit costs, and on which basis. */
export type UnitPrice = { readonly unitMinorUnits: bigint; readonly taxInclusive: boolean };

/** What a quote is made of. */
export type QuoteInputs = {
  /** Units by SKU, sorted. */
  readonly quantities: ReadonlyMap<string, bigint>;
  readonly currencyCode: string;
  readonly items: ReadonlyMap<string, QuotedItem>;
  readonly prices: ReadonlyMap<string, UnitPrice>;
  readonly taxes: TaxTable;
  /** In the quote's currency, on the basis of the prices. */
  readonly shipping: ShippingCharge | undefined;
};

/**
 * The amounts of a quote; its id, parties and times are the caller's to add.
 *
 * @throws ITEM_NOT_FOUND, PRICE_NOT_FOUND, TAX_BASIS_MIXED, TAX_RATE_MISSING, AMOUNT_OUT_OF_RANGE
 */
export function composeQuote(inputs: QuoteInputs): Quote {
  const { quantities, currencyCode, prices } = inputs;
  const found = [...quantities].map(([sku, quantity]) => {
    const item = inputs.items.get(sku);
    if (item === undefined) {
      throw fail('ITEM_NOT_FOUND', `no item has the SKU ${sku}`, { sku });
    }
    const price = prices.get(sku);
    if (price === undefined) {
      const message = `${sku} has no price in ${currencyCode}`;
      throw fail('PRICE_NOT_FOUND', message, { sku, currency_code: currencyCode });
    }
    return { item, price, quantity };
  });
  const taxInclusive = oneBasis(found.map(({ price }) => price));

  const lines = found.map(({ item, price, quantity }): QuoteLine => {
    const rate = inputs.taxes.rateOf(item.taxCategory);
    const lineUnits = money(price.unitMinorUnits * quantity, currencyCode).minorUnits;
    return create(QuoteLineSchema, {
      sku: item.sku,
      name: item.name,
      quantity,
      unitPrice: money(price.unitMinorUnits, currencyCode),
      taxCategory: item.taxCategory,
      amount: taxAmount(lineUnits, currencyCode, taxInclusive, rate),
    });
  });
  const shipping = quoteShipping(inputs, taxInclusive);
  const amounts = [...lines, ...(shipping === undefined ? [] : [shipping])].flatMap(({ amount }) => amount ?? []);
  const itemsGross = sum(
    lines.map(({ amount }) => amount),
    'gross',
  );
  return create(QuoteSchema, {
    lines,
    ...(shipping === undefined ? {} : { shipping }),
    taxInclusive,
    itemsGross: money(itemsGross, currencyCode),
    taxes: summarize(amounts, currencyCode),
    tax: money(sum(amounts, 'tax'), currencyCode),
    total: money(sum(amounts, 'gross'), currencyCode),
  });
}

function quoteShipping(
  { shipping, currencyCode, taxes }: QuoteInputs,
  taxInclusive: boolean,
): QuoteShipping | undefined {
  if (shipping === undefined) {
    return undefined;
  }
  return create(QuoteShippingSchema, {
    rateId: shipping.rateId,
    name: shipping.name,
    amount: taxAmount(shipping.charge?.minorUnits ?? 0n, currencyCode, taxInclusive, taxes.rateOf(SHIPPING_CATEGORY)),
  });
}

function oneBasis(prices: readonly UnitPrice[]): boolean {
  const [first, ...others] = new Set(prices.map((price) => price.taxInclusive));
  if (others.length > 0) {
    throw fail('TAX_BASIS_MIXED');
  }
  return first ?? false;
}

function sum(amounts: readonly (TaxedAmount | undefined)[], part: 'gross' | 'tax'): bigint {
  return amounts.reduce((total, amount) => total + (amount?.[part]?.minorUnits ?? 0n), 0n);
}
