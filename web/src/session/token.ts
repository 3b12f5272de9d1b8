/**
 * What a bearer token says of itself. Only the edge verifies tokens; the page reads them to show who is signed in, what they
 * may do and until when.
 */

/** What a token says. */
export type Token = {
  /** The token as it is sent. */
  readonly text: string;
  /** Whose it is. */
  readonly subject: string;
  /** What its holder may do. */
  readonly scopes: readonly string[];
  /** When it ends, in milliseconds since 1970; undefined when it does not say. */
  readonly expiresAtMs: number | undefined;
};

/** Why a text is no token, for a person. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

/**
 * Reads a token, with or without `Bearer ` before it.
 *
 * @throws TokenError
 */
export function parseToken(input: string): Token {
  const text = input.trim().replace(/^(authorization:\s*)?bearer\s+/i, '');
  if (text === '') {
    throw new TokenError('Paste a token first.');
  }
  const parts = text.split('.');
  if (parts.length !== 3 || parts.some((part) => !/^[A-Za-z0-9_-]+$/.test(part))) {
    throw new TokenError('This is not a whole token: three parts with two dots between them are expected.');
  }
  const claims = readClaims(parts[1] ?? '');
  const { sub, exp, scope } = claims;
  if (typeof sub !== 'string' || sub === '') {
    throw new TokenError('This token does not say whose it is.');
  }
  return {
    text,
    subject: sub,
    scopes: typeof scope === 'string' ? scope.split(' ').filter((word) => word !== '') : [],
    expiresAtMs: typeof exp === 'number' && Number.isFinite(exp) ? exp * 1_000 : undefined,
  };
}

/** Whether a token has ended. */
export function hasExpired(token: Token, nowMs: number): boolean {
  return token.expiresAtMs !== undefined && token.expiresAtMs <= nowMs;
}

/** Takes `#token=...` out of a URL; the fragment's other parts stay. */
export function takeTokenFromUrl(href: string): { token: string; rest: string } | undefined {
  const url = new URL(href);
  const fragment = new URLSearchParams(url.hash.slice(1));
  const token = fragment.get('token');
  if (token === null) {
    return undefined;
  }
  fragment.delete('token');
  const hash = fragment.toString();
  return { token, rest: `${url.pathname}${url.search}${hash === '' ? '' : `#${hash}`}` };
}

function readClaims(part: string): Record<string, unknown> {
  try {
    const bytes = Uint8Array.fromBase64(part, { alphabet: 'base64url' });
    const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) {
      return claims as Record<string, unknown>;
    }
  } catch {
    // Told below: the reader cannot do more with the parser's words.
  }
  throw new TokenError('The middle part of this token cannot be read. Was all of it copied?');
}
