/**
 * Says things to screen readers that others see: "Added to the basket".
 */

import { createStore, useStore } from '../app/store.ts';

const said = createStore({ text: '', count: 0 });

/** Says a sentence, politely. */
export function announce(text: string): void {
  said.set({ text, count: said.get().count + 1 });
}

/** Where it is said; once per page. */
export function Announcer() {
  const { text, count } = useStore(said);
  return (
    <p className="visually-hidden" role="status" aria-label="Announcements">
      {/* The same sentence twice in a row differs by a no-break space, or it would not be said again. */}
      {text}
      {count % 2 === 0 ? '' : '\u00a0'}
    </p>
  );
}
