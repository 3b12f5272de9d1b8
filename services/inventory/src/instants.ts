/**
 * Instants of the contract as the database keeps them: to the millisecond, finer parts are cut off.
 */

import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { fail } from '@weft/runtime/errors/fail';

/** 0001-01-01 and the last second of 9999: what a google.protobuf.Timestamp may say. */
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;

/**
 * The instant of a timestamp; undefined of an absent one.
 *
 * @param field the timestamp's path in the request, for the error.
 * @throws INVALID_FIELD for a timestamp out of its range.
 */
export function instantOf(timestamp: Timestamp | undefined, field: string): Date | undefined {
  if (timestamp === undefined) {
    return undefined;
  }
  const { seconds, nanos } = timestamp;
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND || nanos < 0 || nanos > 999_999_999) {
    const description = 'must be an instant of the years 1 to 9999, with 0 to 999,999,999 nanoseconds';
    throw fail('INVALID_FIELD', `${field}: ${description}`, {}, { fieldViolations: [{ field, description }] });
  }
  return new Date(Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000));
}
