/**
 * What the listings and readings of Watch streams have in common.
 */

import type { ListedPart } from './view.ts';

/** Rows that a listing reads at once. */
export const PART_SIZE = 500;

/** The event that says: it is like this now. */
export function changed<T>(value: T): { readonly case: 'changed'; readonly value: T } {
  return { case: 'changed', value };
}

/**
 * A part of a listing, of rows in the order of their positions.
 *
 * @param rows up to PART_SIZE; fewer are the last.
 */
export function partOf<T, E>(rows: readonly T[], event: (row: T) => E, positionOf: (row: T) => string): ListedPart<E> {
  const last = rows.at(-1);
  return {
    events: rows.map(event),
    next: last === undefined || rows.length < PART_SIZE ? undefined : positionOf(last),
  };
}
