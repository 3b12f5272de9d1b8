/** The shape of a check, and the few questions that many checks ask. */
import type { Duration } from '@bufbuild/protobuf/wkt';
import type { DeclaredContract, DeclaredMethod, DeclaredService } from '../contract/declared.ts';
import { toMs } from '../contract/duration.ts';
import type { OptionPath } from '../contract/position.ts';
import type { Problem } from '../contract/problem.ts';
import { bounds } from '../contract/vocabulary.ts';

/** One rule: finds every place where a contract breaks it. */
export type Check = (contract: DeclaredContract) => Problem[];

type Located = Pick<DeclaredMethod, 'locate'> | Pick<DeclaredService, 'locate'>;

/** A problem at a field of an option; `path` is empty for the option as a whole. */
export function problemAt(place: Located, path: OptionPath, rule: string, message: string, mend: string): Problem {
  return { at: place.locate(path), rule, message, mend };
}

/** One problem when a number is out of bounds, else none. */
export function outOfRange(
  place: Located,
  path: OptionPath,
  value: number,
  name: keyof typeof bounds,
  subject: string,
): Problem[] {
  const [least, most] = bounds[name];
  if (value >= least && value <= most) return [];
  const mend = `Choose a value from ${format(least)} to ${format(most)}`;
  return [problemAt(place, path, 'range', `${subject}: ${fieldName(path)} is ${format(value)}`, mend)];
}

/** As `outOfRange`, for a duration in milliseconds, which also has to be a whole number of them. */
export function durationOutOfRange(
  place: Located,
  path: OptionPath,
  value: Duration,
  name: keyof typeof bounds,
  subject: string,
): Problem[] {
  const [least, most] = bounds[name];
  const ms = toMs(value);
  if (ms >= least && ms <= most && Number.isInteger(ms)) return [];
  const mend = `Choose whole milliseconds from ${format(least)} ms to ${format(most)} ms`;
  return [problemAt(place, path, 'range', `${subject}: ${fieldName(path)} is ${format(ms)} ms`, mend)];
}

/** Entries of a list that stood in it before, with their indexes. */
export function repeatedEntries<T>(list: readonly T[]): [index: number, entry: T][] {
  return [...list.entries()].filter(([index, entry]) => list.indexOf(entry) < index);
}

/** The field as it is written in a proto: `retry.max_attempts`. */
const fieldName = (path: OptionPath): string =>
  path.join('.').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const format = (value: number): string => value.toLocaleString('en-US');
