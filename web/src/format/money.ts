/**
 * Money for people. The amount goes from minor units to text exactly (@weft/values) and as text to Intl, which reads decimal
 * text digit by digit: no amount is ever a float.
 */

import type { Money } from '@weft/gen/weft/type/v1/money_pb.js';
import { decimalsOf } from '@weft/values/currency';
import { formatMinorUnits } from '@weft/values/money';

const formats = new Map<string, Intl.NumberFormat>();

/** `€12.50`, `¥500`, in the reader's language. An empty text for no money. */
export function formatMoney(money: Money | undefined, locale?: string): string {
  if (money === undefined) {
    return '';
  }
  return formatFor(money.currencyCode, locale).format(
    // A text of digits and a point is what the type means; TypeScript wants it spelt as a template.
    formatMinorUnits(money.minorUnits, money.currencyCode) as `${number}`,
  );
}

/** `19 %`, `8.875 %`, from parts per million. */
export function formatRate(ppm: number, locale?: string): string {
  return new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 4 }).format(ppm / 1_000_000);
}

function formatFor(currency: string, locale: string | undefined): Intl.NumberFormat {
  const key = `${locale}/${currency}`;
  let format = formats.get(key);
  if (format === undefined) {
    const digits = decimalsOf(currency);
    format = new Intl.NumberFormat(locale, {
      style: 'currency',
      currency,
      currencyDisplay: 'narrowSymbol',
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
    formats.set(key, format);
  }
  return format;
}
