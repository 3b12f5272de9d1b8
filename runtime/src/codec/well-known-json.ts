/**
 * Well-known types whose JSON is a string: Timestamp, Duration and FieldMask
 * (https://protobuf.dev/programming-guides/json/). Those whose JSON is something else are not compiled.
 */

import type { DescMessage } from '@bufbuild/protobuf';
import { protoCamelCase, protoSnakeCase } from '@bufbuild/protobuf/reflect';
import { blankMaker } from './blank.ts';
import type { Properties } from './fields.ts';
import { bigOf, type JsonInput } from './json-input.ts';
import type { Output } from './output.ts';
import type { MessageWriter } from './presence.ts';
import { unusual } from './unusual.ts';
import { arrayOf, int32 } from './values.ts';

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, in seconds since 1970. */
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;
/** About 10,000 years. */
const LONGEST_SECONDS = 315_576_000_000n;
const LAST_NANO = 999_999_999;
const SECONDS_A_DAY = 86_400;
/** Of the Gregorian calendar: days in 400 years, and from 0000-03-01 to 1970-01-01. */
const DAYS_AN_ERA = 146_097;
const DAYS_TO_1970 = 719_468;

const QUOTE = 0x22;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const LOWER_S = 0x73;
const UPPER_T = 0x54;
const UPPER_Z = 0x5a;
/** `YYYY-MM-DDTHH:MM:SS`: what stands between its numbers, by place. */
const BETWEEN: readonly (readonly [place: number, byte: number])[] = [
  [4, MINUS],
  [7, MINUS],
  [10, UPPER_T],
  [13, COLON],
  [16, COLON],
];
const DAYS_A_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** The writer of a well-known type in JSON, or undefined when the type has JSON like any other. */
export function wellKnownWriter({ typeName }: DescMessage): MessageWriter | undefined {
  switch (typeName) {
    case 'google.protobuf.Timestamp':
      return (message, out) => writeTimestamp(message.seconds, int32(message.nanos), out);
    case 'google.protobuf.Duration':
      return (message, out) => writeDuration(message.seconds, int32(message.nanos), out);
    case 'google.protobuf.FieldMask':
      return (message, out) => out.quoted(arrayOf(message.paths).map(pathInJson).join(','));
    default:
      return undefined;
  }
}

function writeTimestamp(seconds: unknown, nanos: number, out: Output): void {
  if (
    typeof seconds !== 'bigint' ||
    seconds < FIRST_SECOND ||
    seconds > LAST_SECOND ||
    nanos < 0 ||
    nanos > LAST_NANO
  ) {
    throw unusual;
  }
  const since1970 = Number(seconds);
  const day = Math.floor(since1970 / SECONDS_A_DAY);
  const second = since1970 - day * SECONDS_A_DAY;
  // Howard Hinnant's days_from_civil backwards: years begin in March, so that a leap day is the last of its year.
  const shifted = day + DAYS_TO_1970;
  const era = Math.floor(shifted / DAYS_AN_ERA);
  const dayOfEra = shifted - era * DAYS_AN_ERA;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  out.byte(QUOTE);
  out.padded(year, 4);
  out.byte(MINUS);
  out.padded(month, 2);
  out.byte(MINUS);
  out.padded(dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1, 2);
  out.byte(UPPER_T);
  out.padded(Math.floor(second / 3_600), 2);
  out.byte(COLON);
  out.padded(Math.floor(second / 60) % 60, 2);
  out.byte(COLON);
  out.padded(second % 60, 2);
  fraction(nanos, out);
  out.ascii('Z"');
}

function writeDuration(seconds: unknown, nanos: number, out: Output): void {
  if (typeof seconds !== 'bigint' || seconds > LONGEST_SECONDS || seconds < -LONGEST_SECONDS) {
    throw unusual;
  }
  const size = Math.abs(nanos);
  if (size > LAST_NANO || (seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0)) {
    throw unusual;
  }
  out.byte(QUOTE);
  if (seconds === 0n && nanos < 0) {
    out.byte(MINUS);
  }
  out.bigDecimal(seconds);
  fraction(size, out);
  out.ascii('s"');
}

/** Nanoseconds as a fraction of a second, of three, six or nine digits; nothing for none. */
function fraction(nanos: number, out: Output): void {
  if (nanos === 0) {
    return;
  }
  out.byte(DOT);
  if (nanos % 1_000_000 === 0) {
    out.padded(nanos / 1_000_000, 3);
  } else if (nanos % 1_000 === 0) {
    out.padded(nanos / 1_000, 6);
  } else {
    out.padded(nanos, 9);
  }
}

function pathInJson(path: unknown): string {
  if (typeof path !== 'string') {
    throw unusual;
  }
  const camel = protoCamelCase(path);
  if (protoSnakeCase(camel) !== path) {
    throw unusual;
  }
  return camel;
}

/** The reader of a well-known type in JSON, or undefined when the type has JSON like any other. */
export function wellKnownReader(desc: DescMessage): ((input: JsonInput) => Properties) | undefined {
  const fill = fillers[desc.typeName];
  if (fill === undefined) {
    return undefined;
  }
  const make = blankMaker(desc);
  return (input) => {
    const message = make();
    input.enter();
    fill(message, input);
    input.leave();
    return message;
  };
}

const fillers: Readonly<Record<string, (message: Properties, input: JsonInput) => void>> = {
  'google.protobuf.Timestamp': readTimestamp,
  'google.protobuf.Duration': readDuration,
  'google.protobuf.FieldMask': (message, input) => {
    const text = input.string();
    if (text.includes('_')) {
      throw unusual;
    }
    message.paths = text === '' ? [] : text.split(',').map(protoSnakeCase);
  },
};

/** Takes times in UTC only: with another offset, or on a day that the month does not have, they are left to the library. */
function readTimestamp(message: Properties, input: JsonInput): void {
  input.take(QUOTE);
  const { bytes, at } = input;
  const year = number(bytes, at, 4);
  const month = number(bytes, at + 5, 2);
  const day = number(bytes, at + 8, 2);
  const hour = number(bytes, at + 11, 2);
  const minute = number(bytes, at + 14, 2);
  const second = number(bytes, at + 17, 2);
  for (const [place, byte] of BETWEEN) {
    if (bytes[at + place] !== byte) {
      throw unusual;
    }
  }
  const days = DAYS_A_MONTH[month - 1];
  if (year === 0 || days === undefined || day === 0 || day > days || hour > 23 || minute > 59 || second > 59) {
    throw unusual;
  }
  if (month === 2 && day === 29 && (year % 4 !== 0 || (year % 100 === 0 && year % 400 !== 0))) {
    throw unusual;
  }
  input.at = at + 19;
  message.nanos = nanosOf(input);
  if (bytes[input.at] !== UPPER_Z || bytes[input.at + 1] !== QUOTE) {
    throw unusual;
  }
  input.at += 2;
  message.seconds = bigOf(dayNumber(year, month, day) * SECONDS_A_DAY + hour * 3_600 + minute * 60 + second);
}

function readDuration(message: Properties, input: JsonInput): void {
  input.take(QUOTE);
  const { bytes } = input;
  const negative = bytes[input.at] === MINUS;
  const start = negative ? input.at + 1 : input.at;
  let end = start;
  while (isDigit(bytes[end])) {
    end++;
  }
  if (end === start || end - start > 12) {
    throw unusual;
  }
  const seconds = number(bytes, start, end - start);
  if (seconds > Number(LONGEST_SECONDS)) {
    throw unusual;
  }
  input.at = end;
  message.seconds = bigOf(negative ? -seconds : seconds);
  if (bytes[end] === DOT) {
    const nanos = nanosOf(input);
    message.nanos = negative ? -nanos : nanos;
  }
  if (bytes[input.at] !== LOWER_S || bytes[input.at + 1] !== QUOTE) {
    throw unusual;
  }
  input.at += 2;
}

/** A fraction of a second, if there is one, in nanoseconds: one to nine digits. */
function nanosOf(input: JsonInput): number {
  const { bytes, at } = input;
  if (bytes[at] !== DOT) {
    return 0;
  }
  let end = at + 1;
  while (isDigit(bytes[end])) {
    end++;
  }
  const count = end - at - 1;
  if (count === 0 || count > 9) {
    throw unusual;
  }
  input.at = end;
  return number(bytes, at + 1, count) * 10 ** (9 - count);
}

/** The number in `count` digits. */
function number(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let index = at; index < at + count; index++) {
    const byte = bytes[index];
    if (byte === undefined || !isDigit(byte)) {
      throw unusual;
    }
    value = value * 10 + byte - ZERO;
  }
  return value;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/** Days from 1970-01-01: Howard Hinnant's days_from_civil. */
function dayNumber(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_AN_ERA + dayOfEra - DAYS_TO_1970;
}
