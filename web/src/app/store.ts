/**
 * The smallest thing that React can watch: a value, and those who want to know when it changes. State that outlives a page or is
 * shared between pages (session, basket, currency, live data) lives in one of these.
 */

import { useSyncExternalStore } from 'react';

/** A value that can be watched. */
export type Store<T> = {
  get(): T;
  /** Replaces the value; those who watch hear of it unless it is the same one. */
  set(value: T): void;
  subscribe(listener: () => void): () => void;
};

/** Makes a store. */
export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) {
        return;
      }
      value = next;
      for (const listener of [...listeners]) {
        listener();
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The store's value, or a part of it; the component is drawn again when that changes. `select` must give the same value for the same state. */
export function useStore<T>(store: Store<T>): T;
export function useStore<T, S>(store: Store<T>, select: (value: T) => S): S;
export function useStore<T, S>(store: Store<T>, select?: (value: T) => S): T | S {
  return useSyncExternalStore<T | S>(store.subscribe, () => (select ? select(store.get()) : store.get()));
}
