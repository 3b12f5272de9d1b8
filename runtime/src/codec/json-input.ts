/**
 * Reads JSON from bytes, token by token, knowing what is to come. It takes what encoders of Protobuf write, and any
 * white space; the rest of JSON (a number where a string is expected, say) and all that is not JSON is given up, so that
 * the library may say what it makes of it.
 */

import { asciiText } from './ascii.ts';
import { unusual } from './unusual.ts';

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const UPPER_E = 0x45;
const BACKSLASH = 0x5c;
const LOWER_E = 0x65;
const LOWER_N = 0x6e;

/** How deep messages may be nested in JSON, as the library has it. */
const DEEPEST = 100;
/** Digits that a number holds for certain. */
const SAFE_DIGITS = 15;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** The byte order mark of a string within the JSON is text. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

const NULL = Buffer.from('null');
const EMPTY = Buffer.alloc(0);

const long = new DataView(new ArrayBuffer(8));

/** A whole number of up to 15 digits as a bigint, without the slow way of BigInt(). */
export function bigOf(value: number): bigint {
  const high = Math.floor(value / 2 ** 32);
  long.setUint32(0, value - high * 2 ** 32, true);
  long.setInt32(4, high, true);
  return long.getBigInt64(0, true);
}

/** Whether a whole number fits 64 bits. */
export function isLong(value: bigint, signed: boolean): boolean {
  return (signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) === value;
}

/** What is being read. All methods throw `unusual` when it is something else than they are for. */
export class JsonInput {
  bytes: Buffer = EMPTY;
  at = 0;
  #depth = 0;

  start(bytes: Uint8Array): void {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.#depth = 0;
  }

  /** That nothing but white space is left. */
  end(): void {
    if (this.next() !== undefined) {
      throw unusual;
    }
  }

  /** Lets go of the bytes. */
  finish(): void {
    this.bytes = EMPTY;
  }

  /** Begins a message; `leave` ends it. */
  enter(): void {
    if (++this.#depth > DEEPEST) {
      throw unusual;
    }
  }

  leave(): void {
    this.#depth--;
  }

  /** The next byte that is no white space, which is not taken; undefined at the end. */
  next(): number | undefined {
    const { bytes } = this;
    let byte = bytes[this.at];
    while (byte !== undefined && byte <= SPACE) {
      if (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
        throw unusual;
      }
      byte = bytes[++this.at];
    }
    return byte;
  }

  /** Takes this byte. */
  take(byte: number): void {
    if (this.next() !== byte) {
      throw unusual;
    }
    this.at++;
  }

  /** Whether this byte is next; takes it if so. */
  takes(byte: number): boolean {
    if (this.next() !== byte) {
      return false;
    }
    this.at++;
    return true;
  }

  /** Behind an item: whether another one comes (a comma), or none (`close`). */
  more(close: number): boolean {
    const byte = this.next();
    this.at++;
    if (byte === COMMA) {
      return true;
    }
    if (byte !== close) {
      throw unusual;
    }
    return false;
  }

  /** Whether exactly these bytes come here; takes them if so. */
  takesBytes(wanted: Uint8Array): boolean {
    const { bytes, at } = this;
    const { length } = wanted;
    for (let index = 0; index < length; index++) {
      if (bytes[at + index] !== wanted[index]) {
        return false;
      }
    }
    this.at = at + length;
    return true;
  }

  /** Whether null comes; takes it if so. */
  takesNull(): boolean {
    if (this.next() !== LOWER_N) {
      return false;
    }
    this.literal(NULL);
    return true;
  }

  /** Takes a literal: no longer word may stand there, which the byte behind it will tell. */
  literal(word: Uint8Array): void {
    if (!this.takesBytes(word)) {
      throw unusual;
    }
  }

  /** A name of an object and its colon. */
  name(): string {
    const name = this.string();
    this.take(COLON);
    return name;
  }

  /** A string that has UTF-8. */
  string(): string {
    this.take(QUOTE);
    const { bytes, at } = this;
    let end = at;
    let byte = bytes[end];
    while (byte !== undefined && byte !== QUOTE && byte !== BACKSLASH && byte >= SPACE && byte < 0x80) {
      byte = bytes[++end];
    }
    if (byte === QUOTE) {
      this.at = end + 1;
      return asciiText(bytes, at, end - at);
    }
    return this.#otherString(at, end);
  }

  /** A string that has escapes, or characters beyond ASCII. */
  #otherString(start: number, from: number): string {
    const { bytes } = this;
    let end = from;
    let escaped = false;
    let byte = bytes[end];
    while (byte !== QUOTE) {
      if (byte === undefined || byte < SPACE) {
        throw unusual;
      }
      if (byte === BACKSLASH) {
        escaped = true;
        end++;
      }
      byte = bytes[++end];
    }
    this.at = end + 1;
    if (!escaped) {
      return utf8.decode(bytes.subarray(start, end));
    }
    const text: unknown = JSON.parse(utf8.decode(bytes.subarray(start - 1, end + 1)));
    if (typeof text !== 'string' || !text.isWellFormed()) {
      throw unusual;
    }
    return text;
  }

  /** The digits of a whole number that a number holds for certain. */
  whole(): number {
    this.next();
    const value = this.#digits();
    const after = this.bytes[this.at];
    if (after === DOT || after === UPPER_E || after === LOWER_E) {
      throw unusual;
    }
    return value;
  }

  /** An optional minus and up to 15 digits, without zeros ahead, which JSON does not have. */
  #digits(): number {
    const { bytes } = this;
    const negative = bytes[this.at] === MINUS;
    const start = negative ? this.at + 1 : this.at;
    let end = start;
    let value = 0;
    let byte = bytes[end];
    while (byte !== undefined && byte >= ZERO && byte <= NINE) {
      value = value * 10 + (byte - ZERO);
      byte = bytes[++end];
    }
    const count = end - start;
    if (count === 0 || count > SAFE_DIGITS || (count > 1 && bytes[start] === ZERO)) {
      throw unusual;
    }
    this.at = end;
    return negative ? -value : value;
  }

  /** A whole number of 64 bits, as a string of digits or as a number. */
  big(signed: boolean): bigint {
    if (this.next() !== QUOTE) {
      return this.#inRange(bigOf(this.whole()), signed);
    }
    const start = ++this.at;
    const { bytes } = this;
    let end = start;
    while (bytes[end] !== QUOTE && end - start <= SAFE_DIGITS) {
      end++;
    }
    if (end - start > SAFE_DIGITS) {
      this.at = start - 1;
      return this.#inRange(BigInt(this.digits()), signed);
    }
    const value = this.#digits();
    if (this.at !== end) {
      throw unusual;
    }
    this.at++;
    return this.#inRange(bigOf(value), signed);
  }

  #inRange(value: bigint, signed: boolean): bigint {
    if (!isLong(value, signed)) {
      throw unusual;
    }
    return value;
  }

  /** A whole number in a string, as it is written. */
  digits(): string {
    const text = this.string();
    if (!/^-?(?:0|[1-9]\d{0,19})$/.test(text)) {
      throw unusual;
    }
    return text;
  }

  /** A number that is neither infinite nor none. */
  number(): number {
    this.next();
    const { bytes, at } = this;
    let end = at;
    let byte = bytes[end];
    while (
      byte !== undefined &&
      (isDigit(byte) || byte === DOT || byte === MINUS || byte === 0x2b || (byte | 0x20) === LOWER_E)
    ) {
      byte = bytes[++end];
    }
    const text = asciiText(bytes, at, end - at);
    const value = Number(text);
    if (!NUMBER.test(text) || !Number.isFinite(value)) {
      throw unusual;
    }
    this.at = end;
    return value;
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}
