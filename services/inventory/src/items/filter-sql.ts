/**
 * Turns the terms of a ListItems filter into a condition of SQL. What the client wrote only ever becomes a parameter.
 */

import type { Term } from './filter.ts';

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

/** The condition that all terms hold; `true` without terms. */
export function conditionOf(terms: readonly Term[], parameters: Parameters): string {
  return terms.map((term) => termCondition(term, parameters)).join(' AND ') || 'true';
}

function termCondition(term: Term, parameters: Parameters): string {
  if (term.kind === 'search') {
    return contains(SEARCHED, term.text, parameters);
  }
  if (term.operator !== ':') {
    const operator = term.operator === '!=' ? '<>' : term.operator;
    return `${term.field} ${operator} ${parameters.add(term.value)}`;
  }
  if (term.field === 'category') {
    // Whole steps of the path: kitchen/knives is below `kitchen`, not below `kit`.
    return `category || '/' LIKE ${parameters.add(`${escapeLike(term.value.toLowerCase())}/%`)}`;
  }
  return contains(folded(term.field), term.value, parameters);
}

function contains(expression: string, text: string, parameters: Parameters): string {
  return `${expression} LIKE ${folded(`${parameters.add(`%${escapeLike(text)}%`)}::text`)}`;
}

/** In a LIKE pattern `%`, `_` and the backslash have a meaning; here they are characters. */
function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}
