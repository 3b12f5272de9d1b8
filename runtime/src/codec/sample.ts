/**
 * Messages, bytes and JSON for the tests of the codec: of any type, with the values that are hard to get right. They are
 * made from a seed, so that a type of two hundred fields costs a property test no more than one of two.
 */

import { create, type DescField, type DescMessage, type Message, ScalarType } from '@bufbuild/protobuf';

const STRINGS = [
  '',
  'a',
  'SKU-12',
  'Straße',
  'Espresso cup, 12 cm, as in the catalogue of the year before',
  'x'.repeat(127),
  'y'.repeat(128),
  'é'.repeat(64),
  '"quoted" \\ and \u0000\u001f\n\t',
  'a\\b',
  'a"b',
  'a\nb',
  '\ud83d\ude00',
  '\ud800',
  'a\udc00b',
  '\ufeffmark',
  '\u2028\u2029\u007f',
  '__proto__',
  'constructor',
  'true',
  '日本語のとても長い文字列です。',
];
const DOUBLES = [0, -0, 1, -1.5, 1e21, 1e-7, 2 ** 53, NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308];
const FLOATS = [0, -0, 1, -1.5, 0.1, 3.4028234663852886e38, NaN, Infinity, -Infinity, 1e-50];
const INTS = [0, 1, -1, 127, 128, -128, 300, 65_536, 2 ** 31 - 1, -(2 ** 31)];
const UINTS = [0, 1, 127, 128, 16_384, 2 ** 31, 2 ** 32 - 1];
const LONGS = [0n, 1n, -1n, 127n, 128n, 1_790_000_000_000n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 32n)];
const ULONGS = [0n, 1n, 128n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];
/** What is of no type that a field could have asked for, or just beyond it. */
const ODD = [
  undefined,
  null,
  '7',
  'seven',
  '',
  7,
  7n,
  1.5,
  NaN,
  -1,
  2 ** 31,
  2 ** 32,
  1e300,
  2n ** 63n,
  -1n,
  true,
  [],
  [undefined],
  {},
  { a: 1 },
  { case: 'x', value: 1 },
  { $typeName: 'weft.Other' },
  new Uint8Array([1, 2]),
  new Uint16Array([500]),
  Symbol('odd'),
];

/** Draws from a seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  }

  chance(one: number): boolean {
    return this.below(one) === 0;
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
}

/** A message of the type, with about one in `sparseness` of its fields set. */
export function sample(desc: DescMessage, random: Random, depth = 3): Message {
  const message = create(desc) as Message & Record<string, unknown>;
  const sparseness = random.of([1, 2, 4, 16]);
  for (const field of desc.fields) {
    if (random.chance(sparseness) && (field.message === undefined || depth > 0)) {
      const value = fieldValue(field, random, depth - 1);
      if (field.oneof === undefined) {
        message[field.localName] = value;
      } else {
        message[field.oneof.localName] = { case: field.localName, value };
      }
    }
  }
  if (random.chance(8)) {
    message.$unknown = [
      { no: 536_870_911, wireType: 0, data: new Uint8Array([0x96, 0x01]) },
      { no: 19_500, wireType: 2, data: new Uint8Array([2, 0x61, 0x62]) },
    ];
  }
  return message;
}

function fieldValue(field: DescField, random: Random, depth: number): unknown {
  switch (field.fieldKind) {
    case 'list':
      return Array.from({ length: random.of([1, 2, 3, 40]) }, (_, index) =>
        index > 3 && field.message !== undefined ? create(field.message) : single(field, random, depth),
      );
    case 'map': {
      const entries = Array.from({ length: random.of([1, 2, 5]) }, () => [
        String(scalar(field.mapKey, random)),
        single(field, random, depth),
      ]);
      // Not by assignment, which takes no own property of the name __proto__.
      return Object.fromEntries(entries);
    }
    default:
      return single(field, random, depth);
  }
}

function single(field: DescField, random: Random, depth: number): unknown {
  if (field.message !== undefined) {
    return singleMessage(field, field.message, random, depth);
  }
  if (field.enum !== undefined) {
    return random.chance(4) && field.enum.open ? random.of(INTS) : random.of(field.enum.values).number;
  }
  const value = scalar(field.scalar, random);
  return 'longAsString' in field && field.longAsString ? String(value) : value;
}

function singleMessage(field: DescField, desc: DescMessage, random: Random, depth: number): unknown {
  const { typeName } = desc;
  const inJson = typeName === 'google.protobuf.Struct' && field.parent.typeName !== 'google.protobuf.Value';
  if (inJson) {
    return { a: 1, b: [true, null, 'x'], ['__proto__']: {} };
  }
  const unwrapped =
    typeName.endsWith('Value') && desc.fields[0]?.name === 'value' && desc.fields[0].scalar !== undefined;
  if (unwrapped && field.fieldKind === 'message' && field.oneof === undefined) {
    return scalar(desc.fields[0]?.scalar ?? ScalarType.STRING, random);
  }
  const message = sample(desc, random, depth) as Message & Record<string, unknown>;
  if (typeName === 'google.protobuf.Timestamp' && !random.chance(8)) {
    message.seconds = random.of([0n, 1_790_000_000n, -1n, -62_135_596_800n, 253_402_300_799n]);
    message.nanos = random.of([0, 1, 120_000_000, 120_450_000, 999_999_999]);
  }
  if (typeName === 'google.protobuf.Duration' && !random.chance(8)) {
    const sign = random.of([1, -1]);
    message.seconds = BigInt(sign) * random.of([0n, 1n, 90n, 315_576_000_000n]);
    message.nanos = sign * random.of([0, 1, 500_000_000, 1_000, 999_999_999]);
  }
  if (typeName === 'google.protobuf.FieldMask' && !random.chance(8)) {
    message.paths = random.of([[], ['a'], ['order.ship_to', 'a_b.c_d'], ['x1', 'long_name_of_a_field']]);
  }
  return message;
}

function scalar(type: ScalarType, random: Random): unknown {
  switch (type) {
    case ScalarType.STRING:
      return random.of(STRINGS);
    case ScalarType.BYTES:
      return Uint8Array.from({ length: random.of([0, 1, 2, 3, 4, 200]) }, () => random.below(256));
    case ScalarType.BOOL:
      return random.chance(2);
    case ScalarType.DOUBLE:
      return random.of(DOUBLES);
    case ScalarType.FLOAT:
      return random.of(FLOATS);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return random.of(UINTS);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return random.of(ULONGS);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return random.of(LONGS);
    default:
      return random.of(INTS);
  }
}

/** Makes something about a message odd, somewhere in it: a value of another type, a property that is gone. */
export function spoil(message: Message, random: Random): void {
  let target = message as unknown as Record<string, unknown>;
  for (;;) {
    const names = Object.keys(target);
    const name = random.of(names);
    const value = target[name];
    const inner =
      typeof value === 'object' && value !== null && Object.keys(value).length > 0 && !ArrayBuffer.isView(value);
    if (inner && !random.chance(4)) {
      target = value as Record<string, unknown>;
    } else {
      if (name === undefined || random.chance(8)) {
        delete target[name ?? ''];
      } else {
        target[name] = random.of(ODD);
      }
      return;
    }
  }
}

/** What stands in JSON, and may stand where it should not. */
const PIECES = [
  '"',
  '"',
  ',',
  ':',
  '{',
  '}',
  '[',
  ']',
  'null',
  'true',
  'false',
  '0',
  '-',
  '-0',
  '1',
  '01',
  '1.0',
  '1e2',
  '1.5e-3',
  '.',
  'e',
  '2147483648',
  '4294967296',
  '9223372036854775808',
  '"1"',
  '"01"',
  '"-0"',
  '" 1"',
  '""',
  '"NaN"',
  '"x"',
  '"\\ud800"',
  '"\\u0061"',
  '"\\x"',
  '\\',
  '\n',
  ' ',
  '\t',
  '\u0001',
  '\ufeff',
  'é',
  '"__proto__":1,',
  '"unknown":[{"a":1,"a":2}],',
  '"@type":"",',
  'null,',
  '[]',
  '{}',
  '"2024-02-30T00:00:00Z"',
  '"2024-02-29T23:59:59.5Z"',
  '"2024-01-01T24:00:00Z"',
  '"1.5s"',
  '"-0.5s"',
  '"a,bC"',
];

/** Bytes with a few places changed: bytes put there, taken away, turned or repeated, or a piece of JSON. */
export function mutated(bytes: Uint8Array, random: Random): Uint8Array {
  let result = [...bytes];
  for (let count = random.of([0, 1, 1, 2, 4]); count > 0; count--) {
    const at = random.below(result.length + 1);
    const taken = random.of([0, 0, 1, 1, 2, 8]);
    const put = random.of<() => Iterable<number>>([
      () => [],
      () => [random.below(256)],
      () => [random.of([0, 1, 2, 0x7f, 0x80, 0xff])],
      () => new TextEncoder().encode(random.of(PIECES)),
      () => result.slice(at, at + random.below(24)),
      () => [(result[at] ?? 0) ^ (1 << random.below(8))],
    ])();
    result = [...result.slice(0, at), ...put, ...result.slice(at + taken)];
    if (random.chance(12)) {
      result.length = at;
    }
  }
  return Uint8Array.from(result);
}
