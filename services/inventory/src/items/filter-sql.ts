/**
 * Turns a ListItems filter into a condition of SQL. What the client wrote only ever becomes a parameter.
 */

import type { Filter } from './filter.ts';
import type { Flag } from './filter-fields.ts';

/** Collects parameters and gives each its placeholder. */
export class Parameters {
  readonly values: unknown[] = [];

  /** Adds a value; the answer is its placeholder, such as `$3`. */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/**
 * Text as it is compared and sorted without regard to case: Unicode's simple folding, the same on every installation of
 * PostgreSQL, whatever locale its cluster has.
 */
export function folded(expression: string): string {
  return `lower((${expression}) COLLATE "pg_c_utf8")`;
}

/** What a bare word is searched in. The index items_search is on this very expression. */
const SEARCHED = folded(`sku || E'\\n' || name || E'\\n' || description`);

/** A GTIN as all of its forms are written in 14 digits. The index items_gtin_live is on this very expression. */
const GTIN_14 = `lpad(gtin, 14, '0')`;

const FLAGS: Readonly<Record<Flag, string>> = {
  lot_tracked: 'lot_tracked',
  kit: 'is_kit',
  deleted: '(delete_time IS NOT NULL)',
};

/** The condition that all of these hold; `true` without any. */
export function conditionOf(filters: readonly Filter[], parameters: Parameters): string {
  return filters.map((filter) => condition(filter, parameters)).join(' AND ') || 'true';
}

function condition(filter: Filter, parameters: Parameters): string {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return `(${filter.parts.map((part) => condition(part, parameters)).join(filter.kind === 'and' ? ' AND ' : ' OR ')})`;
    case 'not':
      return `NOT (${condition(filter.part, parameters)})`;
    case 'search':
      return contains(SEARCHED, filter.text, parameters);
    case 'text':
      return textCondition(filter, parameters);
    case 'number':
    case 'time':
      return `${filter.field} ${sqlOperator(filter.operator)} ${parameters.add(filter.value)}`;
    case 'policy':
      return `out_of_stock_policy ${sqlOperator(filter.operator)} ${parameters.add(filter.value)}`;
    case 'flag':
      return `${FLAGS[filter.field]} ${sqlOperator(filter.operator)} ${filter.value}`;
    case 'component':
      return `sku IN (SELECT kit_sku FROM kit_components WHERE component_sku = ${parameters.add(filter.value)})`;
  }
}

function textCondition({ field, operator, value }: Extract<Filter, { kind: 'text' }>, parameters: Parameters): string {
  if (operator === ':') {
    if (field === 'category') {
      // Whole steps of the path: kitchen/knives is below `kitchen`, not below `kit`.
      return `category || '/' LIKE ${parameters.add(`${escapeLike(value.toLowerCase())}/%`)}`;
    }
    // What the name holds is found by the index of all that is searched, and then held against the name alone.
    const isFound = contains(SEARCHED, value, parameters);
    return `(${isFound} AND ${contains(folded(field), value, parameters)})`;
  }
  // The same trade item has the same number in a form that is longer by leading zeros.
  if (field === 'gtin' && /^\d{8,14}$/.test(value)) {
    const same = `(gtin <> '' AND ${GTIN_14} = ${parameters.add(value.padStart(14, '0'))})`;
    return operator === '=' ? same : `NOT ${same}`;
  }
  return `${field} ${sqlOperator(operator)} ${parameters.add(value)}`;
}

function sqlOperator(operator: string): string {
  return operator === '!=' ? '<>' : operator;
}

function contains(expression: string, text: string, parameters: Parameters): string {
  return `${expression} LIKE ${folded(`${parameters.add(`%${escapeLike(text)}%`)}::text`)}`;
}

/** In a LIKE pattern `%`, `_` and the backslash have a meaning; here they are characters. */
function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}
