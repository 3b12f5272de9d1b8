/**
 * Reads the wire format of Protobuf from bytes. It gives up what the library reads leniently or refuses (an element that
 * ends beyond its message, bytes that are not UTF-8), so that the library may say what it makes of it. Bounds are checked
 * where a message ends rather than with each byte: beyond the end there is nothing to read, and the end is then missed.
 */

import { asciiText, SHORT_TEXT } from './ascii.ts';
import { unusual } from './unusual.ts';

/** How deep messages may be nested, as the library has it. */
const DEEPEST = 100;
const REPLACEMENT = '\ufffd';
const EMPTY = Buffer.alloc(0);
/** A byte order mark is text. */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

const long = new DataView(new ArrayBuffer(8));

/** What is being read. Methods throw `unusual`, or what the engine does, where there is something else. */
export class BinaryInput {
  bytes: Buffer = EMPTY;
  at = 0;
  /** The bytes as they were given: parts of a Buffer are Buffers, parts of a Uint8Array are not. */
  #source: Uint8Array = EMPTY;
  #depth = 0;

  start(source: Uint8Array): void {
    this.#source = source;
    this.bytes = Buffer.isBuffer(source) ? source : Buffer.from(source.buffer, source.byteOffset, source.byteLength);
    this.at = 0;
    this.#depth = 0;
  }

  /** Lets go of the bytes. */
  finish(): void {
    this.#source = EMPTY;
    this.bytes = EMPTY;
  }

  /** Begins a message; `leave` ends it. */
  enter(): void {
    if (++this.#depth > DEEPEST) {
      throw unusual;
    }
  }

  /** Ends a message, which is to end here. */
  leave(end: number): void {
    this.#depth--;
    this.endsAt(end);
  }

  endsAt(end: number): void {
    if (this.at !== end) {
      throw unusual;
    }
  }

  /** Where the element ends whose length comes here. */
  end(): number {
    const length = this.varint32();
    const end = this.at + length;
    if (end > this.bytes.length) {
      throw unusual;
    }
    return end;
  }

  /** A tag: number and wire type. */
  tag(): number {
    const { bytes, at } = this;
    const first = bytes[at] as number;
    if (first < 0x80) {
      this.at = at + 1;
      return first;
    }
    const second = bytes[at + 1] as number;
    if (second < 0x80) {
      this.at = at + 2;
      return (first & 0x7f) | (second << 7);
    }
    const tag = this.varint32();
    // A tag has no more bits than 32, however it is written.
    const length = this.at - at;
    if (length > 5 || (length === 5 && (bytes[this.at - 1] as number) > 0x0f)) {
      throw unusual;
    }
    return tag;
  }

  /** A varint of which 32 bits count, unsigned. */
  varint32(): number {
    const { bytes } = this;
    let { at } = this;
    let byte = bytes[at++] as number;
    if (byte < 0x80) {
      this.at = at;
      return byte;
    }
    let value = byte & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      byte = bytes[at++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.at = at;
        return value >>> 0;
      }
    }
    // Negative numbers are written with 64 bits.
    for (let count = 5; count < 10; count++) {
      if ((bytes[at++] as number) < 0x80) {
        this.at = at;
        return value >>> 0;
      }
    }
    throw unusual;
  }

  /** A varint of 64 bits into `long`. */
  #varint64(): void {
    const { bytes } = this;
    let { at } = this;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[at++] as number;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#long(at, low, 0);
        return;
      }
    }
    let byte = bytes[at++] as number;
    low |= (byte & 0x0f) << 28;
    high = (byte & 0x70) >> 4;
    if (byte < 0x80) {
      this.#long(at, low, high);
      return;
    }
    for (let shift = 3; shift <= 31; shift += 7) {
      byte = bytes[at++] as number;
      high |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#long(at, low, high);
        return;
      }
    }
    throw unusual;
  }

  #long(at: number, low: number, high: number): void {
    this.at = at;
    long.setInt32(0, low, true);
    long.setInt32(4, high, true);
  }

  int64(): bigint {
    this.#varint64();
    return long.getBigInt64(0, true);
  }

  uint64(): bigint {
    this.#varint64();
    return long.getBigUint64(0, true);
  }

  sint64(): bigint {
    this.#varint64();
    const low = long.getInt32(0, true);
    const high = long.getInt32(4, true);
    const sign = -(low & 1);
    this.#long(this.at, ((low >>> 1) | ((high & 1) << 31)) ^ sign, (high >>> 1) ^ sign);
    return long.getBigInt64(0, true);
  }

  sfixed64(): bigint {
    this.#fixed64();
    return long.getBigInt64(0, true);
  }

  fixed64(): bigint {
    this.#fixed64();
    return long.getBigUint64(0, true);
  }

  #fixed64(): void {
    const { at, bytes } = this;
    this.#long(at + 8, bytes.readInt32LE(at), bytes.readInt32LE(at + 4));
  }

  fixed32(): number {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  sfixed32(): number {
    this.at += 4;
    return this.bytes.readInt32LE(this.at - 4);
  }

  float(): number {
    this.at += 4;
    return this.bytes.readFloatLE(this.at - 4);
  }

  double(): number {
    this.at += 8;
    return this.bytes.readDoubleLE(this.at - 8);
  }

  /** A boolean as it is mostly written: one byte. */
  bool(): boolean {
    const byte = this.bytes[this.at++] as number;
    if (!(byte < 0x80)) {
      throw unusual;
    }
    return byte !== 0;
  }

  data(): Uint8Array {
    const end = this.end();
    const data = this.#source.subarray(this.at, end);
    this.at = end;
    return data;
  }

  /** A string that is refused when it is not UTF-8, or is mended when it need not be. */
  text(isStrict: boolean): string {
    const end = this.end();
    const { bytes, at } = this;
    this.at = end;
    const length = end - at;
    if (length <= SHORT_TEXT) {
      let index = at;
      while (index < end && (bytes[index] as number) < 0x80) {
        index++;
      }
      if (index === end) {
        return asciiText(bytes, at, length);
      }
    }
    const text = bytes.toString('utf8', at, end);
    // Where nothing was replaced, all was well. What was may also have been said as it is.
    return text.includes(REPLACEMENT) ? (isStrict ? strict : lenient).decode(bytes.subarray(at, end)) : text;
  }

  /** The bytes of an element of this wire type: none that is known here. */
  skip(wireType: number): Uint8Array {
    const start = this.at;
    switch (wireType) {
      case 0:
        while ((this.bytes[this.at++] as number) >= 0x80) {
          // Any length will do.
        }
        break;
      case 1:
        this.at += 8;
        break;
      case 2:
        this.at = this.end();
        break;
      case 5:
        this.at += 4;
        break;
      default:
        throw unusual;
    }
    return this.#source.subarray(start, this.at);
  }
}
