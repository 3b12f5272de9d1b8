/** Checks of values that both binary and JSON are written from; what fails them is left to the library. */

import { unusual } from './unusual.ts';

/** @throws unusual when the value is no array. */
export function arrayOf(items: unknown): unknown[] {
  if (!Array.isArray(items)) {
    throw unusual;
  }
  return items;
}

/** @throws unusual when the value is no whole number of 32 bits, signed. */
export function int32(value: unknown): number {
  if (typeof value !== 'number' || (value | 0) !== value) {
    throw unusual;
  }
  return value;
}

/** @throws unusual when the value is no whole number of 32 bits, unsigned. */
export function uint32(value: unknown): number {
  if (typeof value !== 'number' || value >>> 0 !== value) {
    throw unusual;
  }
  return value;
}
