/**
 * Path routes on the browser's own history. After each navigation the new page's heading gets the focus, so that a screen
 * reader says where one is and the keyboard goes on from there.
 */

import { type AnchorHTMLAttributes, type MouseEvent, useEffect, useSyncExternalStore } from 'react';

/** Where the page is. */
export type Place = { readonly path: string; readonly query: URLSearchParams };

const listeners = new Set<() => void>();
let navigations = 0;
let place: Place = read();

function read(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

function changed(): void {
  place = read();
  for (const listener of [...listeners]) {
    listener();
  }
}

globalThis.addEventListener?.('popstate', () => {
  navigations += 1;
  changed();
});

/** Goes to a path of this page. `replace` puts it in place of the current entry of the history, and leaves the focus where it is. */
export function navigate(to: string, { replace = false }: { replace?: boolean } = {}): void {
  if (replace) {
    history.replaceState(null, '', to);
  } else {
    history.pushState(null, '', to);
    navigations += 1;
    scrollTo(0, 0);
  }
  changed();
}

/** Where the page is now. */
export function usePlace(): Place {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => place,
  );
}

/** Names the page in the window's title, and moves the focus to its heading when one came here by a link. */
export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Weft`;
  }, [title]);
  useEffect(() => {
    if (navigations > 0) {
      document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true });
    }
  }, []);
}

/** A link within the page. Opening it in another tab works as with any link. */
export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (plain && !event.defaultPrevented) {
      event.preventDefault();
      navigate(href);
    }
  };
  return <a href={href} onClick={follow} {...rest} />;
}
