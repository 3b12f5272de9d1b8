/**
 * Bytes being written, in memory that is shared by one message after the other. A message is written where it stays, in a
 * slab that holds many, as node:buffer does with small buffers: to give each its own memory would cost more than to
 * encode it. What is finished is never written again.
 */

/** What a slab holds. */
const SLAB_BYTES = 32 * 1024;
/** The longest message that stays in a slab, and what a slab has left for each; what is longer gets memory of its own. */
const SHARED_BYTES = 4 * 1024;
/** What is added to the memory of a long message beyond what it is known to need: the fields behind a long one. */
const SPARE_BYTES = 1024;
/** Up to here a loop over the characters is quicker than a call into the engine. */
const SHORT_STRING = 24;

/** The same, where each character is also looked at for whether JSON has to escape it. */
const SHORT_JSON = 40;
const QUOTE = 0x22;
const MINUS = 0x2d;
const ZERO = 0x30;
/** 1 and nine zeros: what has fewer digits can be divided without fractions. */
const NINE_DIGITS = 1_000_000_000;
/** The upper half of the largest whole number that a number holds for certain. */
const MOST_HIGH = 2 ** 20;
const BACKSLASH = 0x5c;

const int64 = new DataView(new ArrayBuffer(8));

/** Bytes that are written often, by four. */
export type Word = { readonly length: number; readonly parts: Int32Array };

/** A text as a word. */
export function wordOf(text: string): Word {
  const bytes = Buffer.from(text);
  const padded = Buffer.alloc(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return {
    length: bytes.length,
    parts: Int32Array.from({ length: padded.length / 4 }, (_, index) => padded.readInt32LE(index * 4)),
  };
}

/**
 * Where messages are written, one at a time: `start`, then the writes, then `finish`. Writing may be given up at any
 * point; the next `start` begins afresh.
 */
export class Output {
  /** What is written to; replaced when it is full, so it is to be read anew after anything that writes. */
  bytes: Buffer = Buffer.alloc(SLAB_BYTES);
  /** Where the next byte goes. */
  at = 0;
  #view = viewOf(this.bytes);
  #slab = this.bytes;
  #start = 0;
  #busy = false;

  /**
   * Begins a message with `reserved` bytes of zero.
   *
   * @returns whether it did: no when another message is being written, whose property is a getter that writes this one.
   */
  start(reserved: number): boolean {
    if (this.#busy) {
      return false;
    }
    if (this.#start + SHARED_BYTES > SLAB_BYTES) {
      this.#slab = Buffer.alloc(SLAB_BYTES);
      this.#use(this.#slab);
      this.#start = 0;
    }
    this.at = this.#start;
    if (reserved > 0) {
      this.room(reserved);
      // A message that was given up may have been written here.
      this.bytes.fill(0, this.at, this.at + reserved);
      this.at += reserved;
    }
    // Last, for what fails above leaves nothing to give up.
    this.#busy = true;
    return true;
  }

  /** What was written since `start`. */
  finish(): Uint8Array {
    this.#busy = false;
    const start = this.#start;
    const length = this.at - start;
    if (length <= SHARED_BYTES) {
      if (this.bytes !== this.#slab) {
        // It asked for more room than it took: back to the slab with it.
        this.#slab.set(this.bytes.subarray(start, this.at), start);
        this.#use(this.#slab);
      }
      this.#start = this.at;
      return new Uint8Array(this.#slab.buffer, this.#slab.byteOffset + start, length);
    }
    const { bytes } = this;
    if (bytes !== this.#slab && bytes.length < length * 2) {
      this.#use(this.#slab);
      return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length);
    }
    const own = new Uint8Array(bytes.subarray(start, this.at));
    this.#use(this.#slab);
    return own;
  }

  /** Gives up what was written since `start`. */
  discard(): void {
    this.#busy = false;
    this.#use(this.#slab);
  }

  /** Makes sure of `size` more bytes. */
  room(size: number): void {
    if (this.at + size > this.bytes.length) {
      this.#grow(size);
    }
  }

  /**
   * Goes on in more memory. What was written keeps its place, for others remember it; only a message that is too long
   * for a slab comes here, and its memory does not outlast it.
   */
  #grow(size: number): void {
    const { bytes } = this;
    const more = Buffer.alloc(Math.max(bytes.length * 2, this.at + size + SPARE_BYTES));
    more.set(bytes.subarray(this.#start, this.at), this.#start);
    this.#use(more);
  }

  #use(bytes: Buffer): void {
    this.bytes = bytes;
    this.#view = viewOf(bytes);
  }

  /** An unsigned varint of up to 32 bits. */
  varint32(value: number): void {
    this.room(5);
    const { bytes } = this;
    let { at } = this;
    let rest = value >>> 0;
    while (rest > 0x7f) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.at = at;
  }

  /** A varint of 64 bits, as two halves. */
  varint64(low: number, high: number): void {
    let lowRest = low >>> 0;
    let highRest = high >>> 0;
    this.room(10);
    const { bytes } = this;
    let { at } = this;
    while (highRest !== 0 || lowRest > 0x7f) {
      bytes[at++] = (lowRest & 0x7f) | 0x80;
      lowRest = ((lowRest >>> 7) | (highRest << 25)) >>> 0;
      highRest >>>= 7;
    }
    bytes[at++] = lowRest;
    this.at = at;
  }

  /** An integer of 64 bits, signed or not, as a varint. */
  varintOf(value: bigint): void {
    int64.setBigInt64(0, value, true);
    this.varint64(int64.getUint32(0, true), int64.getUint32(4, true));
  }

  /** An integer of 64 bits as a varint, in zigzag. */
  zigzagOf(value: bigint): void {
    int64.setBigInt64(0, value, true);
    const low = int64.getUint32(0, true);
    const high = int64.getUint32(4, true);
    const sign = int64.getInt32(4, true) >> 31;
    this.varint64((low << 1) ^ sign, ((high << 1) | (low >>> 31)) ^ sign);
  }

  fixed64(value: bigint): void {
    this.room(8);
    this.#view.setBigInt64(this.at, value, true);
    this.at += 8;
  }

  fixed32(value: number): void {
    this.room(4);
    this.#view.setInt32(this.at, value, true);
    this.at += 4;
  }

  float(value: number): void {
    this.room(4);
    this.#view.setFloat32(this.at, value, true);
    this.at += 4;
  }

  double(value: number): void {
    this.room(8);
    this.#view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): void {
    this.room(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  /** A string in UTF-8 behind its length; what has no UTF-8 (half a surrogate pair) becomes U+FFFD, as in TextEncoder. */
  string(value: string): void {
    const { length } = value;
    // A unit of UTF-16 takes three bytes at most.
    this.room(length * 3 + 5);
    const { bytes, at } = this;
    if (length <= SHORT_STRING) {
      let index = 0;
      for (; index < length; index++) {
        const code = value.charCodeAt(index);
        if (code > 0x7f) {
          break;
        }
        bytes[at + 1 + index] = code;
      }
      if (index === length) {
        bytes[at] = length;
        this.at = at + 1 + length;
        return;
      }
    }
    const guess = varintSize(length);
    const written = bytes.write(value, at + guess);
    this.at = at + guess + written;
    this.lengthAt(at, guess);
  }

  /** A byte. */
  byte(value: number): void {
    this.room(1);
    this.bytes[this.at++] = value;
  }

  /** Text of ASCII only, which is mostly short. */
  ascii(value: string): void {
    const { length } = value;
    this.room(length);
    const { bytes, at } = this;
    if (length > SHORT_STRING) {
      bytes.write(value, at, 'latin1');
    } else {
      for (let index = 0; index < length; index++) {
        bytes[at + index] = value.charCodeAt(index);
      }
    }
    this.at = at + length;
  }

  /** A word that is known ahead. */
  word({ length, parts }: Word): void {
    // The last part may reach beyond the word; what comes next is written over that.
    this.room(length + 3);
    const { at } = this;
    const view = this.#view;
    for (let index = 0; index < parts.length; index++) {
      view.setInt32(at + index * 4, parts[index] as number, true);
    }
    this.at = at + length;
  }

  /** A whole number that a number holds for certain, in decimal. */
  decimal(value: number): void {
    if (value < 0) {
      this.byte(MINUS);
      this.decimal(-value);
    } else if (value < 10) {
      this.byte(ZERO + value);
    } else if (value < NINE_DIGITS) {
      let count = 2;
      for (let power = 100; power <= value; power *= 10) {
        count++;
      }
      this.padded(value, count);
    } else {
      const high = Math.floor(value / NINE_DIGITS);
      this.decimal(high);
      this.padded(value - high * NINE_DIGITS, 9);
    }
  }

  /** A whole number of exactly `count` digits, nine at most, with zeros before it. */
  padded(value: number, count: number): void {
    this.room(count);
    const { bytes, at } = this;
    let rest = value;
    for (let index = at + count - 1; index >= at; index--) {
      const next = (rest / 10) | 0;
      bytes[index] = ZERO + rest - next * 10;
      rest = next;
    }
    this.at = at + count;
  }

  /** An integer of any size in decimal; those of up to 53 bits the quick way. */
  bigDecimal(value: bigint): void {
    int64.setBigInt64(0, value, true);
    const high = int64.getInt32(4, true);
    if (high < -MOST_HIGH || high > MOST_HIGH || int64.getBigInt64(0, true) !== value) {
      this.ascii(value.toString());
    } else {
      this.decimal(high * 2 ** 32 + int64.getUint32(0, true));
    }
  }

  /** A string of JSON, in UTF-8: as JSON.stringify writes it. */
  quoted(value: string): void {
    const { length } = value;
    if (length <= SHORT_JSON) {
      this.room(length + 2);
      const { bytes, at } = this;
      let index = 0;
      for (; index < length; index++) {
        const code = value.charCodeAt(index);
        // Neither escaped (controls, the quote, the backslash) nor of several bytes.
        if (code < 0x20 || code > 0x7f || code === QUOTE || code === BACKSLASH) {
          break;
        }
        bytes[at + 1 + index] = code;
      }
      if (index === length) {
        bytes[at] = QUOTE;
        bytes[at + 1 + length] = QUOTE;
        this.at = at + length + 2;
        return;
      }
    }
    const escaped = JSON.stringify(value);
    this.room(escaped.length * 3);
    this.at += this.bytes.write(escaped, this.at);
  }

  /**
   * Writes the length of what follows `at` and the `guess` bytes that were left for it; moves what follows if that was
   * wrong.
   *
   * @returns how many bytes the length took.
   */
  lengthAt(at: number, guess: number): number {
    const length = this.at - at - guess;
    const size = varintSize(length);
    if (size !== guess) {
      this.room(5);
      // The room may be new memory, so it is asked for before anything is moved.
      this.bytes.copyWithin(at + size, at + guess, this.at);
      this.at += size - guess;
    }
    const { bytes } = this;
    let position = at;
    let rest = length;
    while (rest > 0x7f) {
      bytes[position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[position] = rest;
    return size;
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}
