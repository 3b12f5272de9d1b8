/**
 * Cuts the text of a filter into words, quoted texts, operators and parentheses, each with its place. What they mean is filter.ts's to say.
 */

/** A filter that cannot be read. `position` counts characters from 1. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
  readonly position: number;

  constructor(position: number, problem: string) {
    super(`${problem}, at character ${position}`);
    this.position = position;
  }
}

/** A part of a filter's text. */
export type Token = {
  readonly kind: 'word' | 'quoted' | 'operator' | 'parenthesis';
  /** Of a quoted text, what the quotes hold. */
  readonly text: string;
  /** Characters before it, from 0. */
  readonly at: number;
};

const SPACE = /\s+/y;
const OPERATOR = /!=|<=|>=|[=<>:]/y;
const PARENTHESIS = /[()]/y;
/** An instant holds colons, which elsewhere are operators. */
const INSTANT = /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})(?=[\s()]|$)/iy;
const WORD = /(?:[^\s"'()=<>:!]|!(?!=))+/y;

/** Which pattern makes which token, the first that fits. */
const PATTERNS = [
  ['operator', OPERATOR],
  ['parenthesis', PARENTHESIS],
  ['word', INSTANT],
  ['word', WORD],
] as const;

/** @throws FilterError for what no token is made of. */
export function tokenize(filter: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < filter.length) {
    const character = filter.charAt(at);
    const space = match(SPACE, filter, at);
    if (space !== undefined) {
      at += space.length;
    } else if (character === '"' || character === "'") {
      const { text, length } = readQuoted(filter, at);
      tokens.push({ kind: 'quoted', text, at });
      at += length;
    } else {
      const token = readToken(filter, at);
      tokens.push(token);
      at += token.text.length;
    }
  }
  return tokens;
}

function readToken(filter: string, at: number): Token {
  for (const [kind, pattern] of PATTERNS) {
    const text = match(pattern, filter, at);
    if (text !== undefined && !text.includes('\0')) {
      return { kind, text, at };
    }
  }
  const character = JSON.stringify(filter.charAt(at));
  throw new FilterError(at + 1, `${character} is not understood here: quote it to search for it`);
}

function match(pattern: RegExp, filter: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(filter)?.[0];
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
