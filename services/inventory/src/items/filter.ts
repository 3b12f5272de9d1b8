/**
 * Reads the filter of ListItems: AIP-160 without functions, wildcards and fields within fields. OR binds tighter than AND, and terms
 * that stand side by side must hold as if AND stood between them.
 *
 *     filter     = [ expression ]
 *     expression = factor { [ "AND" ] factor }
 *     factor     = term { "OR" term }
 *     term       = [ "NOT" | "-" ] simple
 *     simple     = text | field operator text | "(" expression ")"
 *     text       = word | "'" characters "'" | '"' characters '"'      a backslash escapes the character after it
 *
 * Pure: the text of SQL is made in filter-sql.ts.
 */

import { type Comparison, readComparison } from './filter-fields.ts';
import { FilterError, type Token, tokenize } from './filter-tokens.ts';

export { FilterError };

/** A condition of a filter. */
export type Filter =
  | { readonly kind: 'search'; readonly text: string }
  | Comparison
  | { readonly kind: 'not'; readonly part: Filter }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Filter[] };

/** More terms than a person writes; each costs the database a comparison per item. */
export const MAX_TERMS = 32;

/** Parentheses within parentheses. */
export const MAX_DEPTH = 8;

/**
 * Reads a filter; all of the conditions must hold, and an empty filter has none.
 *
 * @throws FilterError
 */
export function parseFilter(filter: string): Filter[] {
  const parser = new Parser(tokenize(filter), filter.length);
  return parser.readAll();
}

const KEYWORDS: readonly string[] = ['AND', 'OR', 'NOT'];

class Parser {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #next = 0;
  #terms = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens;
    this.#end = end;
  }

  readAll(): Filter[] {
    return this.#tokens.length === 0 ? [] : this.#readFactors();
  }

  /** As far as the parenthesis that closes what is being read. */
  #readFactors(): Filter[] {
    const factors = [this.#readFactor()];
    for (let token = this.#peek(); token !== undefined; token = this.#peek()) {
      if (isParenthesis(token, ')')) {
        if (this.#depth === 0) {
          throw new FilterError(token.at + 1, '")" closes nothing');
        }
        break;
      }
      this.#skip('AND');
      factors.push(this.#readFactor());
    }
    return factors;
  }

  #readFactor(): Filter {
    const parts = [this.#readTerm()];
    while (this.#skip('OR')) {
      parts.push(this.#readTerm());
    }
    return joined('or', parts);
  }

  #readTerm(): Filter {
    const token = this.#peek();
    if (token?.kind !== 'word') {
      return this.#readSimple();
    }
    if (token.text === 'NOT') {
      this.#next += 1;
      return { kind: 'not', part: this.#readSimple() };
    }
    if (token.text.startsWith('-')) {
      return { kind: 'not', part: this.#readNegated(token) };
    }
    return this.#readSimple();
  }

  /** What a minus stands right before, be it in the same word or not. */
  #readNegated({ text, at }: Token): Filter {
    if (text !== '-') {
      return this.#readSimple({ kind: 'word', text: text.slice(1), at: at + 1 });
    }
    this.#next += 1;
    if (this.#peek()?.at !== at + 1) {
      throw new FilterError(at + 1, '"-" needs a term right after it: quote it to search for it');
    }
    return this.#readSimple();
  }

  #readSimple(first = this.#peek()): Filter {
    if (first === undefined) {
      throw this.#missing(this.#end);
    }
    if (first.kind === 'parenthesis') {
      return this.#readGroup(first);
    }
    if (first.kind === 'operator') {
      throw new FilterError(first.at + 1, `"${first.text}" needs a field before it`);
    }
    if (this.#terms === MAX_TERMS) {
      throw new FilterError(first.at + 1, `a filter has at most ${MAX_TERMS} terms`);
    }
    this.#terms += 1;
    const [operator, value] = this.#tokens.slice(this.#next + 1, this.#next + 3);
    if (operator?.kind !== 'operator') {
      refuseKeyword(first);
      this.#next += 1;
      return { kind: 'search', text: first.text };
    }
    if (value?.kind !== 'word' && value?.kind !== 'quoted') {
      const at = value?.at ?? this.#end;
      throw new FilterError(at + 1, `"${first.text}${operator.text}" needs a value after it`);
    }
    this.#next += 3;
    return readComparison(first, operator, value);
  }

  #readGroup(open: Token): Filter {
    if (open.text === ')') {
      throw this.#missing(open.at);
    }
    if (this.#depth === MAX_DEPTH) {
      throw new FilterError(open.at + 1, `parentheses nest at most ${MAX_DEPTH} deep`);
    }
    this.#depth += 1;
    this.#next += 1;
    const parts = this.#readFactors();
    if (this.#peek() === undefined) {
      throw new FilterError(open.at + 1, 'the "(" is never closed');
    }
    this.#depth -= 1;
    this.#next += 1;
    return joined('and', parts);
  }

  #missing(at: number): FilterError {
    const before = this.#tokens[this.#next - 1];
    return new FilterError(at + 1, `a term is missing${before === undefined ? '' : ` after ${before.text}`}`);
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #skip(keyword: string): boolean {
    const token = this.#peek();
    const isThere = token?.kind === 'word' && token.text === keyword;
    this.#next += isThere ? 1 : 0;
    return isThere;
  }
}

function joined(kind: 'and' | 'or', parts: readonly Filter[]): Filter {
  const [only, ...more] = parts;
  return only !== undefined && more.length === 0 ? only : { kind, parts };
}

/** What has a meaning and stands where it has none is refused, lest it be searched for as a word. */
function refuseKeyword({ kind, text, at }: Token): void {
  if (kind === 'word' && KEYWORDS.includes(text)) {
    const needs = text === 'NOT' ? 'cannot stand here' : 'needs a term on each side';
    throw new FilterError(at + 1, `${text} ${needs}: quote it to search for it`);
  }
  if (kind === 'word' && text.startsWith('-')) {
    throw new FilterError(at + 1, '"-" cannot stand here: quote it to search for it');
  }
}

function isParenthesis(token: Token, text: string): boolean {
  return token.kind === 'parenthesis' && token.text === text;
}
