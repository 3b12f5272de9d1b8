/**
 * Reads the filter of ListItems: the part of AIP-160 that its comment states. Terms stand side by side, with or without AND
 * between them, and all must hold. A term is a word or a quoted text to search for, or a comparison of one field with one value.
 *
 *     filter     = [ term { [ "AND" ] term } ]
 *     term       = text | field operator text
 *     text       = word | "'" characters "'" | '"' characters '"'      a backslash escapes the character after it
 *
 * Pure: the text of SQL is made in filter-sql.ts.
 */

/** How a field is compared. `:` is AIP-160's "has". */
export type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=' | ':';

/** Fields that hold text, as clients name them. */
export type TextField = 'sku' | 'name' | 'category' | 'tax_category' | 'gtin' | 'origin_country_code';

/** One condition of a filter. */
export type Term =
  | { readonly kind: 'search'; readonly text: string }
  | { readonly kind: 'text'; readonly field: TextField; readonly operator: '=' | '!=' | ':'; readonly value: string }
  | {
      readonly kind: 'number';
      readonly field: 'weight_grams';
      readonly operator: Exclude<Operator, ':'>;
      readonly value: number;
    };

/** More terms than a person writes; each costs the database a comparison per item. */
export const MAX_TERMS = 32;

const EQUALITY: readonly Operator[] = ['=', '!='];
const WITH_HAS: readonly Operator[] = ['=', '!=', ':'];
const ORDERED: readonly Operator[] = ['=', '!=', '<', '<=', '>', '>='];

const FIELDS: Readonly<Record<TextField | 'weight_grams', readonly Operator[]>> = {
  sku: EQUALITY,
  name: WITH_HAS,
  category: WITH_HAS,
  tax_category: EQUALITY,
  gtin: EQUALITY,
  origin_country_code: EQUALITY,
  weight_grams: ORDERED,
};

/** Weights are int32; a longer number is a slip, not a weight. */
const LARGEST_NUMBER = 2_147_483_647;

/** A filter that cannot be read. `position` counts characters from 1. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
  readonly position: number;

  constructor(position: number, problem: string) {
    super(`${problem}, at character ${position}`);
    this.position = position;
  }
}

type Token = {
  readonly kind: 'word' | 'quoted' | 'operator';
  readonly text: string;
  /** Characters before it, from 0. */
  readonly at: number;
};

/**
 * Reads a filter; an empty one has no terms.
 *
 * @throws FilterError
 */
export function parseFilter(filter: string): Term[] {
  const tokens = tokenize(filter);
  const terms: Term[] = [];
  let next = 0;
  while (next < tokens.length) {
    if (terms.length > 0 && isWord(tokens[next], 'AND')) {
      next += 1;
    }
    const { term, length } = readTerm(tokens, next, filter.length);
    if (terms.length === MAX_TERMS) {
      throw new FilterError((tokens[next]?.at ?? 0) + 1, `a filter has at most ${MAX_TERMS} terms`);
    }
    terms.push(term);
    next += length;
  }
  return terms;
}

function readTerm(tokens: readonly Token[], start: number, end: number): { term: Term; length: number } {
  const [first, operator, value] = tokens.slice(start, start + 3);
  if (first === undefined) {
    throw new FilterError(end + 1, 'a term is missing after AND');
  }
  if (first.kind === 'operator') {
    throw new FilterError(first.at + 1, `"${first.text}" needs a field before it`);
  }
  if (operator?.kind !== 'operator') {
    refuseUnsupported(first);
    return { term: { kind: 'search', text: first.text }, length: 1 };
  }
  if (value === undefined || value.kind === 'operator') {
    const at = value?.at ?? end;
    throw new FilterError(at + 1, `"${first.text}${operator.text}" needs a value after it`);
  }
  return { term: comparison(first, operator, value), length: 3 };
}

function comparison(name: Token, { text, at }: Token, value: Token): Term {
  if (name.kind !== 'word' || !isField(name.text)) {
    const known = Object.keys(FIELDS).join(', ');
    throw new FilterError(name.at + 1, `"${name.text}" is no field of a filter: use one of ${known}`);
  }
  const field = name.text;
  const operator = FIELDS[field].find((allowed) => allowed === text);
  if (operator === undefined) {
    throw new FilterError(at + 1, `${field} cannot be compared by "${text}": use ${FIELDS[field].join(' ')}`);
  }
  if (field === 'weight_grams') {
    return { kind: 'number', field, operator: operator as Exclude<Operator, ':'>, value: wholeNumber(value) };
  }
  return { kind: 'text', field, operator: operator as '=' | '!=' | ':', value: value.text };
}

function wholeNumber({ text, at }: Token): number {
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || value > LARGEST_NUMBER) {
    throw new FilterError(at + 1, `"${text}" is not a whole number from 0 to ${LARGEST_NUMBER}`);
  }
  return value;
}

/** What AIP-160 has and this subset lacks is refused, lest it be searched for as a word. */
function refuseUnsupported(token: Token): void {
  if (token.kind !== 'word') {
    return;
  }
  if (token.text === 'AND') {
    throw new FilterError(token.at + 1, 'AND needs a term on each side');
  }
  if (token.text === 'OR' || token.text === 'NOT' || token.text.startsWith('-')) {
    throw new FilterError(token.at + 1, `"${token.text}" is not supported: quote it to search for it`);
  }
}

function isField(text: string): text is keyof typeof FIELDS {
  return Object.hasOwn(FIELDS, text);
}

function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === 'word' && token.text === text;
}

const SPACE = /\s+/y;
const OPERATOR = /!=|<=|>=|[=<>:]/y;
const WORD = /(?:[^\s"'()=<>:!]|!(?!=))+/y;

function tokenize(filter: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(filter)?.[0];
  };
  while (at < filter.length) {
    const character = filter.charAt(at);
    const space = match(SPACE);
    if (space !== undefined) {
      at += space.length;
    } else if (character === '"' || character === "'") {
      const { text, length } = readQuoted(filter, at);
      tokens.push({ kind: 'quoted', text, at });
      at += length;
    } else {
      const operator = match(OPERATOR);
      const text = operator ?? match(WORD);
      if (text === undefined || text.includes('\0')) {
        throw new FilterError(at + 1, `${JSON.stringify(character)} is not understood here: quote it to search for it`);
      }
      tokens.push({ kind: operator === undefined ? 'word' : 'operator', text, at });
      at += text.length;
    }
  }
  return tokens;
}

function readQuoted(filter: string, start: number): { text: string; length: number } {
  const quote = filter.charAt(start);
  let text = '';
  for (let at = start + 1; at < filter.length; at += 1) {
    const character = filter.charAt(at);
    if (character === quote) {
      return { text, length: at + 1 - start };
    }
    if (character === '\0') {
      throw new FilterError(at + 1, 'a text cannot hold U+0000');
    }
    if (character === '\\') {
      at += 1;
    }
    text += filter.charAt(at);
  }
  throw new FilterError(start + 1, `the text that ${quote} opens has no end`);
}
