/**
 * The fields that a filter of ListItems may name: how each is compared, and what its values look like.
 */

import { OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { FilterError, type Token } from './filter-tokens.ts';

/** How a field is compared. `:` is AIP-160's "has". */
export type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=' | ':';
export type Equality = '=' | '!=';
export type Ordering = Exclude<Operator, ':'>;

/** A comparison of one field with one value. */
export type Comparison =
  | { readonly kind: 'text'; readonly field: TextField; readonly operator: Equality | ':'; readonly value: string }
  | { readonly kind: 'number'; readonly field: 'weight_grams'; readonly operator: Ordering; readonly value: number }
  | { readonly kind: 'time'; readonly field: TimeField; readonly operator: Ordering; readonly value: Date }
  | { readonly kind: 'policy'; readonly operator: Equality; readonly value: OutOfStockPolicy }
  | { readonly kind: 'flag'; readonly field: Flag; readonly operator: Equality; readonly value: boolean }
  | { readonly kind: 'component'; readonly value: string };

/** Fields that hold text, as clients name them. */
export type TextField = keyof typeof TEXTS;
/** Fields that hold instants. */
export type TimeField = (typeof TIMES)[number];
/** What an item is or is not: `kit` and `deleted` are no fields of Item and said by others. */
export type Flag = (typeof FLAGS)[number];

const EQUALITY = ['=', '!='] as const;
const WITH_HAS = ['=', '!=', ':'] as const;
const ORDERED = ['=', '!=', '<', '<=', '>', '>='] as const;

const TEXTS = {
  sku: EQUALITY,
  name: WITH_HAS,
  category: WITH_HAS,
  tax_category: EQUALITY,
  gtin: EQUALITY,
  customs_code: EQUALITY,
  origin_country_code: EQUALITY,
  unit_code: EQUALITY,
} as const;
const TIMES = ['create_time', 'update_time'] as const;
const FLAGS = ['lot_tracked', 'kit', 'deleted'] as const;
const NAMES: readonly string[] = [
  ...Object.keys(TEXTS),
  'weight_grams',
  ...TIMES,
  'out_of_stock_policy',
  ...FLAGS,
  'components',
];

/** Weights are int32; a longer number is a slip, not a weight. */
const LARGEST_NUMBER = 2_147_483_647;

/** RFC 3339. */
const INSTANT = /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;

/** Reads a comparison. @throws FilterError for what is wrong with the field, the operator or the value. */
export function readComparison(name: Token, operator: Token, value: Token): Comparison {
  const field = name.kind === 'word' ? name.text : '';
  if (Object.hasOwn(TEXTS, field)) {
    const text = field as TextField;
    return { kind: 'text', field: text, operator: oneOf(operator, text, TEXTS[text]), value: value.text };
  }
  if (field === 'weight_grams') {
    return { kind: 'number', field, operator: oneOf(operator, field, ORDERED), value: wholeNumber(value) };
  }
  if (field === 'out_of_stock_policy') {
    return { kind: 'policy', operator: oneOf(operator, field, EQUALITY), value: policy(value) };
  }
  if (field === 'components') {
    oneOf(operator, field, [':']);
    return { kind: 'component', value: value.text };
  }
  const time = TIMES.find((known) => known === field);
  if (time !== undefined) {
    return { kind: 'time', field: time, operator: oneOf(operator, field, ORDERED), value: instant(value) };
  }
  const flag = FLAGS.find((known) => known === field);
  if (flag !== undefined) {
    return { kind: 'flag', field: flag, operator: oneOf(operator, field, EQUALITY), value: truth(value) };
  }
  throw new FilterError(name.at + 1, `"${name.text}" is no field of a filter: use one of ${NAMES.join(', ')}`);
}

function oneOf<T extends Operator>({ text, at }: Token, field: string, allowed: readonly T[]): T {
  const operator = allowed.find((known) => known === text);
  if (operator === undefined) {
    throw new FilterError(at + 1, `${field} cannot be compared by "${text}": use ${allowed.join(' ')}`);
  }
  return operator;
}

function wholeNumber({ text, at }: Token): number {
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || value > LARGEST_NUMBER) {
    throw new FilterError(at + 1, `"${text}" is not a whole number from 0 to ${LARGEST_NUMBER}`);
  }
  return value;
}

function policy({ text, at }: Token): OutOfStockPolicy {
  switch (text.replace(/^OUT_OF_STOCK_POLICY_/, '')) {
    case 'DENY':
      return OutOfStockPolicy.DENY;
    case 'BACKORDER':
      return OutOfStockPolicy.BACKORDER;
    case 'PREORDER':
      return OutOfStockPolicy.PREORDER;
    default:
      throw new FilterError(at + 1, `"${text}" is no policy: use DENY, BACKORDER or PREORDER`);
  }
}

function truth({ text, at }: Token): boolean {
  if (text !== 'true' && text !== 'false') {
    throw new FilterError(at + 1, `"${text}" is neither true nor false`);
  }
  return text === 'true';
}

function instant({ text, at }: Token): Date {
  const [, day] = INSTANT.exec(text) ?? [];
  // JavaScript takes the 30th of February for the 2nd of March.
  const isDay = day !== undefined && new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day) === true;
  if (!isDay || day.startsWith('0000')) {
    throw new FilterError(at + 1, `"${text}" is no instant such as 2026-02-28T09:30:00Z`);
  }
  return new Date(text.toUpperCase());
}
