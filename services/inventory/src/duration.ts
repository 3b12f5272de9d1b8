/**
 * Durations of the contract as the milliseconds that the database counts in.
 */

import type { Duration } from '@bufbuild/protobuf/wkt';

/** A duration in whole milliseconds, rounded up: nothing is held shorter than was asked for. An absent one is 0. */
export function wholeMs(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1_000 + Math.ceil(duration.nanos / 1_000_000);
}
