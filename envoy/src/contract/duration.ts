/** Durations of contracts as whole milliseconds, the unit of everything that is generated. */
import type { Duration } from '@bufbuild/protobuf/wkt';

/** Milliseconds, with a fraction when the duration is finer than that (a check refuses those). */
export const toMs = ({ seconds, nanos }: Duration): number => Number(seconds) * 1000 + nanos / 1_000_000;

/** For people: `250 ms`, `2 s`, `1.5 s`, `5 min`. */
export function formatMs(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${ms / 1000} s`;
}
