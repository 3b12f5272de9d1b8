/**
 * Who is signed in. The token lives in sessionStorage: this tab only, gone when it closes. A token in the URL's fragment
 * (`#token=...`, which browsers do not send to servers) is moved there at once, so that it stays in no history and no bookmark.
 */

import { useEffect, useState } from 'react';
import { isTextRecord, recall, remember } from '../app/memory.ts';
import { createStore, useStore } from '../app/store.ts';
import { hasExpired, parseToken, type Token, takeTokenFromUrl } from './token.ts';

const KEY = 'weft.session';

/** setTimeout takes no more; a longer wait is cut into pieces of this. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** The token held, expired or not; undefined for nobody. */
export const session = createStore<Token | undefined>(undefined);

/** Takes the token from the URL, else from this tab's storage. Called once, before anything is drawn or sent. */
export function startSession(): void {
  const brought = takeTokenFromUrl(location.href);
  if (brought !== undefined) {
    history.replaceState(history.state, '', brought.rest);
    if (signInQuietly(brought.token)) {
      return;
    }
  }
  const kept = recall(sessionStorage, KEY, (value) => isTextRecord(value, ['text']));
  if (kept !== undefined && !signInQuietly(kept.text)) {
    remember(sessionStorage, KEY, undefined);
  }
}

/**
 * Holds a token from now on.
 *
 * @throws TokenError when the text is none.
 */
export function signIn(text: string): Token {
  const token = parseToken(text);
  remember(sessionStorage, KEY, { text: token.text });
  session.set(token);
  return token;
}

/** Forgets the token. */
export function signOut(): void {
  remember(sessionStorage, KEY, undefined);
  session.set(undefined);
}

/** Who is signed in, and whether their token has ended; drawn again at the moment when it does. */
export function useSession(): { token: Token | undefined; expired: boolean } {
  const token = useStore(session);
  const [now, setNow] = useState(() => Date.now());
  // biome-ignore lint/correctness/useExhaustiveDependencies: `now` sets the next piece of a wait that is too long for one timer.
  useEffect(() => {
    if (token?.expiresAtMs === undefined) {
      return;
    }
    const leftMs = token.expiresAtMs - Date.now();
    const timer = setTimeout(() => setNow(Date.now()), Math.min(Math.max(leftMs, 0) + 50, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  }, [token, now]);
  return { token, expired: token !== undefined && hasExpired(token, Math.max(now, Date.now())) };
}

function signInQuietly(text: string): boolean {
  try {
    signIn(text);
    return true;
  } catch {
    return false;
  }
}
