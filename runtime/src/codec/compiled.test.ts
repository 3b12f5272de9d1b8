/**
 * The fears: that a codec is right only because it always asks the library, that a message that fails leaves something
 * behind, and that memory which messages share is written twice.
 */

import { create, type DescMessage, fromBinary, type Message, toBinary, toJsonString } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from 'vitest';
import { type PlaceOrderRequest, PlaceOrderRequestSchema } from '../../bench/contract.ts';
import { orderRequests } from '../../bench/orders.ts';
import { binaryReader } from './binary-decode.ts';
import { messageWriter } from './binary-encode.ts';
import { BinaryInput } from './binary-input.ts';
import { codecOf } from './codec.ts';
import { isBare, isPlain, isPlainInJson, type Properties } from './fields.ts';
import { jsonReader } from './json-decode.ts';
import { jsonWriter } from './json-encode.ts';
import { JsonInput } from './json-input.ts';
import { knownTypes } from './known-types.ts';
import { Output } from './output.ts';
import { Random, sample } from './sample.ts';

const types = await knownTypes();
const utf8 = new TextEncoder();
const codec = codecOf(PlaceOrderRequestSchema);
const orders = orderRequests(300);
const [order] = orders as [PlaceOrderRequest];

/** A type that the tests describe. */
function typeNamed(name: string): DescMessage {
  const desc = types.get(name);
  if (desc === undefined) {
    throw new Error(`there is no type ${name}`);
  }
  return desc;
}

/** A message in JSON, if it has any: a time beyond the year 9999 has none. */
function jsonOf(desc: DescMessage, message: Message): string | undefined {
  try {
    return toJsonString(desc, message);
  } catch {
    return undefined;
  }
}

/** Whether a way through goes without the library. */
function goes(way: () => unknown): boolean {
  try {
    way();
    return true;
  } catch {
    return false;
  }
}

describe('messages that are not odd do not go to the library', () => {
  const ours = [...types.values()].filter(({ typeName }) =>
    /^weft\.(?!codec\.)|^weft\.codec\.v1\.EveryKind$/.test(typeName),
  );

  test('all types of the mesh are compiled, in all directions', () => {
    expect(ours.length).toBeGreaterThan(100);
    const left = ours.filter((desc) => !isPlain(desc) || !isPlainInJson(desc) || !isBare(desc));
    expect(left.map(({ typeName }) => typeName)).toEqual([]);
  });

  test.each(ours.map((desc) => [desc.typeName, desc] as const))('%s', (_, desc) => {
    const output = new Output();
    const binary = new BinaryInput();
    const json = new JsonInput();
    let wentTo = 0;
    for (let seed = 0; seed < 60; seed++) {
      const message = sample(desc, new Random(seed));
      const properties = message as unknown as Properties;
      const bytes = toBinary(desc, message);
      // As the name of a map's entry, this one is left to the library.
      const isOdd = Buffer.from(bytes).includes('__proto__');
      output.start(0);
      messageWriter(desc)(properties, output);
      output.discard();
      binary.start(bytes);
      expect(isOdd || goes(() => binaryReader(desc)(binary, bytes.length)), `binary of seed ${seed}`).toBe(true);
      const text = jsonOf(desc, message);
      if (text === undefined) {
        continue;
      }
      output.start(0);
      jsonWriter(desc)(properties, output);
      output.discard();
      // So is half a surrogate pair, which the library writes, and refuses to read.
      if (!isOdd && !text.includes('\\ud')) {
        json.start(utf8.encode(text));
        expect(
          goes(() => jsonReader(desc)(json)),
          `${seed}: ${text}`,
        ).toBe(true);
        wentTo++;
      }
    }
    expect(wentTo).toBeGreaterThan(3);
  });

  test('orders, the one as the other', () => {
    const binary = new BinaryInput();
    const json = new JsonInput();
    for (const each of orders) {
      const bytes = toBinary(PlaceOrderRequestSchema, each);
      binary.start(bytes);
      expect(binaryReader(PlaceOrderRequestSchema)(binary, bytes.length)).toEqual(each);
      json.start(utf8.encode(toJsonString(PlaceOrderRequestSchema, each)));
      expect(jsonReader(PlaceOrderRequestSchema)(json)).toEqual(each);
    }
  });
});

test('a type has one codec', () => {
  expect(codecOf(PlaceOrderRequestSchema)).toBe(codec);
});

describe('memory that messages share', () => {
  test('is written once: bytes stay what they were, however many come after them', () => {
    const all = orders.map((each) => [each, codec.encode(each, 5), codec.encodeJson(each)] as const);
    for (const each of orders) {
      codec.encode(each);
    }
    for (const [each, bytes, json] of all) {
      expect(bytes.subarray(0, 5)).toEqual(new Uint8Array(5));
      expect(fromBinary(PlaceOrderRequestSchema, bytes.subarray(5))).toEqual(each);
      expect(Buffer.from(json).toString()).toBe(toJsonString(PlaceOrderRequestSchema, each));
    }
  });

  test('is not kept by long messages, which have their own', () => {
    for (const bytes of [4_000, 4_200, 40_000, 70_000, 1_000_000]) {
      const big = { ...order, requestId: 'x'.repeat(bytes) };
      const encoded = codec.encode(big);
      expect(encoded).toEqual(toBinary(PlaceOrderRequestSchema, big));
      expect(encoded.buffer.byteLength).toBeLessThan(bytes > 4_096 ? encoded.length * 2 : 40_000);
      expect(codec.encode(order).buffer.byteLength).toBeLessThan(40_000);
      expect(Buffer.from(codec.encodeJson(big)).toString()).toBe(toJsonString(PlaceOrderRequestSchema, big));
    }
  });

  test('is clean after a message that fails midway, at any size', () => {
    for (const bytes of [10, 4_200, 70_000]) {
      const before = codec.encode(order, 5);
      const copy = before.slice();
      const broken = { ...order, requestId: 'x'.repeat(bytes), updates: 2 ** 40 };
      expect(() => codec.encode(broken, 5)).toThrow('invalid int32');
      expect(codec.encode(order, 5)).toEqual(copy);
      expect(before).toEqual(copy);
    }
  });

  test('is not written by a message within a message that is being written', () => {
    let inner: Uint8Array | undefined;
    const sly: PlaceOrderRequest = {
      ...order,
      get requestId() {
        inner = codec.encode(order);
        return 'outer';
      },
    };
    const outer = codec.encode(sly);
    expect(inner).toEqual(toBinary(PlaceOrderRequestSchema, order));
    expect(outer).toEqual(toBinary(PlaceOrderRequestSchema, { ...order, requestId: 'outer' }));
  });
});

describe('nesting', () => {
  const desc = typeNamed('weft.codec.v1.EveryKind');
  const everyKind = codecOf(desc);
  const nested = (depth: number): Message => {
    let message = create(desc);
    for (let level = 1; level < depth; level++) {
      message = Object.assign(create(desc), { child: message });
    }
    return message;
  };

  test('to the depth that the library reads', () => {
    const message = nested(100);
    expect(everyKind.decode(everyKind.encode(message))).toEqual(message);
    expect(everyKind.decodeJson(everyKind.encodeJson(message))).toEqual(message);
  });

  test('no deeper', () => {
    const message = nested(101);
    expect(() => everyKind.decode(everyKind.encode(message))).toThrow('maximum recursion depth of 100 reached');
    expect(() => everyKind.decodeJson(everyKind.encodeJson(message))).toThrow('maximum recursion depth of 100 reached');
    // And a message that failed is not counted when the next one is read.
    expect(everyKind.decode(everyKind.encode(nested(100)))).toEqual(nested(100));
  });

  test('a circle, which has no end', () => {
    const circle = create(desc) as Message & { child?: Message };
    circle.child = circle;
    expect(() => everyKind.encode(circle)).toThrow(RangeError);
    expect(() => everyKind.encodeJson(circle)).toThrow(RangeError);
    expect(everyKind.encode(nested(2))).toEqual(toBinary(desc, nested(2)));
  });
});

describe('times, each day of which is told apart', () => {
  const desc = typeNamed('google.protobuf.Timestamp');
  const timestamp = codecOf(desc);

  test('written and read as the library does, for each day of five centuries', () => {
    for (let ms = Date.parse('1799-12-30T12:34:56.789Z'); ms < Date.parse('2300-01-03'); ms += 86_400_000 * 1.003) {
      const message = timestampFromMs(Math.floor(ms));
      const json = timestamp.encodeJson(message);
      expect(Buffer.from(json).toString()).toBe(toJsonString(desc, message));
      expect(timestamp.decodeJson(json)).toEqual(message);
    }
  });
});

test('a byte order mark before JSON is skipped, and one within a string is text', () => {
  const small = codecOf(typeNamed('weft.codec.v1.Small'));
  expect(small.decodeJson(utf8.encode('\ufeff{"name":"\ufeffa"}'))).toMatchObject({ name: '\ufeffa' });
});
