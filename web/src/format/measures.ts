/**
 * Weights, sizes, instants and durations for people.
 */

import { type Duration, durationMs, type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Dimensions } from '@weft/gen/weft/type/v1/dimensions_pb.js';

/** `850 g`, `1.25 kg`. */
export function formatWeight(grams: bigint | number): string {
  const value = Number(grams);
  return value < 1_000 ? `${value} g` : `${(value / 1_000).toLocaleString(undefined, { maximumFractionDigits: 2 })} kg`;
}

/** `30 × 20 × 15 cm`. */
export function formatDimensions(size: Dimensions | undefined): string {
  if (size === undefined) {
    return '';
  }
  const cm = (mm: number) => (mm / 10).toLocaleString(undefined, { maximumFractionDigits: 1 });
  return `${cm(size.lengthMm)} × ${cm(size.widthMm)} × ${cm(size.heightMm)} cm`;
}

/** Day and time, in the reader's zone. */
export function formatInstant(time: Timestamp | undefined): string {
  return time === undefined
    ? ''
    : new Date(timestampMs(time)).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** The time of the day to the second, in the reader's zone. */
export function formatClock(time: Timestamp | undefined): string {
  return time === undefined ? '' : new Date(timestampMs(time)).toLocaleTimeString(undefined, { timeStyle: 'medium' });
}

/** `340 µs`, `4.2 ms`, `1.35 s`, from milliseconds. */
export function formatMs(ms: number): string {
  if (ms < 1) {
    return `${Math.round(ms * 1_000)} µs`;
  }
  if (ms < 1_000) {
    return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  }
  return `${(ms / 1_000).toFixed(2)} s`;
}

/** A duration as `formatMs` writes it. */
export function formatDuration(duration: Duration | undefined): string {
  return duration === undefined ? '–' : formatMs(toMs(duration));
}

/** Milliseconds with their fraction. */
export function toMs(duration: Duration): number {
  // durationMs rounds to whole milliseconds, and spans are often shorter.
  return duration.nanos === 0 ? durationMs(duration) : Number(duration.seconds) * 1_000 + duration.nanos / 1_000_000;
}

/** `2 to 5 working days`. */
export function formatTransit(least: number, most: number): string {
  return least === most ? `${most} working ${most === 1 ? 'day' : 'days'}` : `${least} to ${most} working days`;
}
