/**
 * The fear: that the codec reads what the library refuses, or reads it as something else. So each field of the awkward
 * types is given each value that it may not expect: alone, twice, in a list, in a map, and before another field.
 */

import { type DescField, type DescMessage, fromBinary, fromJsonString } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from 'vitest';
import { codecOf } from './codec.ts';
import { isBare, isPlain } from './fields.ts';
import { knownTypes } from './known-types.ts';
import { isSame, type Outcome, outcomeOf } from './same.ts';
import { Random } from './sample.ts';

const PAIRS = 2_000;
const utf8 = new TextEncoder();
const awkward = [...(await knownTypes()).values()].filter(({ typeName }) =>
  /^weft\.codec\.|^google\.protobuf\.(Timestamp|Duration|FieldMask|Empty)$/.test(typeName),
);

/** Where the codec differs from the library, in words; the first few only. */
class Differences {
  readonly found: string[] = [];

  compare(what: string, mine: () => unknown, theirs: () => unknown): void {
    const [one, other] = [outcomeOf(mine), outcomeOf(theirs)];
    if (!isSame(one, other) && this.found.length < 5) {
      this.found.push(`${what}: ${told(one)} instead of ${told(other)}`);
    }
  }

  expectNone(): void {
    expect(this.found).toEqual([]);
  }
}

function told(outcome: Outcome): string {
  return 'error' in outcome
    ? outcome.error
    : JSON.stringify(outcome.value, (_, each) => (typeof each === 'bigint' ? `${each}n` : each));
}

const NUMBERS =
  '0 -0 1 -1 7 01 -01 +1 1.0 1.5 -1.5 1e2 1E+2 1.5e-3 1e 1. .5 - 0x1 NaN Infinity 1e39 -1e39 1e-50 1e999 ' +
  '2147483647 2147483648 -2147483648 -2147483649 4294967295 4294967296 999999999999999 9007199254740993 ' +
  '9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616';
const TIMES =
  '2024-02-29T23:59:59Z 2023-02-29T00:00:00Z 1900-02-29T00:00:00Z 2000-02-29T00:00:00.5Z 2024-02-30T00:00:00Z 2024-04-31T00:00:00Z ' +
  '2024-00-01T00:00:00Z 2024-13-01T00:00:00Z 2024-01-00T00:00:00Z 2024-01-32T00:00:00Z 2024-01-01T24:00:00Z 2024-01-01T24:30:00Z 2024-01-01T23:60:00Z ' +
  '2024-01-01T23:59:60Z 0000-01-01T00:00:00Z 0001-01-01T00:00:00Z 9999-12-31T23:59:59.999999999Z 2024-01-01T00:00:00+01:00 ' +
  '2024-01-01t00:00:00z 2024-01-01T00:00:00 2024-01-01T00:00:00.Z 2024-01-01T00:00:00.1234567890Z 2024-01-01T00:00:00.120Z ' +
  '12024-01-01T00:00:00Z 2024-1-1T00:00:00Z 1s 1.5s -1.5s -0s -0.5s 0.000s -0.0s 1 1.s .5s 1.1234567890s 315576000000s 315576000001s ' +
  '-315576000000s -315576000000.999999999s 0000000000001s 1sx 9999999999999s a a,b aB,c.dE a_b aB, , A NaN Infinity -Infinity nan';
const STRINGS = [
  '',
  'LEVEL_LOW',
  'LEVEL_TOP',
  'LEVEL_SIX',
  'a b',
  ' 1',
  '1 ',
  'AQI=',
  'AQI',
  'AQ==',
  'AR==',
  '-_8=',
  '+/8=',
  'A',
  'AQ==AQ==',
  'A Q I =',
  '=',
  'true',
];
/** Values of JSON, and some that are none. */
const VALUES = [
  ...NUMBERS.split(' '),
  ...NUMBERS.split(' ').map((number) => `"${number}"`),
  ...TIMES.split(' ').map((time) => `"${time}"`),
  ...STRINGS.map((text) => `"${text}"`),
  ...[
    'null',
    'nul',
    'nullx',
    'true',
    'false',
    'tru',
    '{}',
    '[]',
    '[null]',
    '{"a":null}',
    '{"a":1,"a":1}',
    '{"child":{}}',
    '',
    '"',
    ',',
  ],
  ...[
    '"\\u0041"',
    '"\\ud83d\\ude00"',
    '"\\ud800"',
    '"\\x"',
    '"\\"',
    '"a\\"b"',
    '"a\u0001"',
    '"a\n"',
    '"\u007f"',
    '"é"',
    '"\ufeff"',
    '"\ufffd"',
  ],
];
/** What may be around a value: once, twice by one name or both, with white space, in a list, in a map by all kinds of keys. */
const AROUND: readonly ((json: string, proto: string, value: string) => string)[] = [
  (json, _, value) => `{"${json}":${value}}`,
  (_, proto, value) => ` {\n"${proto}" :\t${value}\r} `,
  (json, _, value) => `{"${json}":${value},"${json}":${value}}`,
  (json, proto, value) => `{"${json}":${value},"${proto}":${value}}`,
  (json, _, value) => `{"${json}":[${value}]}`,
  (json, _, value) => `{"${json}":[${value},${value}]}`,
  ...[
    'a',
    '1',
    '01',
    '-1',
    '-0',
    'true',
    '',
    '__proto__',
    '2147483648',
    '-9223372036854775808',
    '18446744073709551616',
    '1.0',
    '\\u0061',
  ].map((key) => (json: string, _: string, value: string) => `{"${json}":{"${key}":${value}}}`),
  (json, _, value) => `{"${json}":{"a":${value},"a":${value}}}`,
  (json, _, value) => `{"${json}":{"1":${value},"01":${value}}}`,
];

/** Payloads of elements: varints as they should and should not be, lengths that fit and do not, and fixed numbers. */
const PAYLOADS = (
  '|00|01|02|7f|8000|8001|ff7f|808004|8080808000|ffffffff0f|ffffffff1f|ffffffff7f|808080808001|ffffffffffffffffff01|ffffffffffffffffff7f|' +
  'ffffffffffffffffffff01|80808080808080808000|0161|0141|02c3a9|01ff|03efbbbf|03efbfbd|03edbfbf|02e282|04f09f9880|0361ff62|02c0af|0200|0d' +
  '41'.repeat(13) +
  `|0d${'41'.repeat(12)}ff|200102|05|0541|ff01|ffffffff07|00000000|0000803f|0000c07f|000000000000f03f|ffffffffffffffff|0000000000000080|` +
  '020801|020a00|040a01611200|040a00120161|060a016110011a00|0608011203616263|02120161|0412011000|0508011201|020808|03080108|0a00|13|14|0b0c|0b0802140c'
).split('|');

describe.each(awkward.map((desc) => [desc.typeName, desc] as const))('%s', (_, desc: DescMessage) => {
  const codec = codecOf(desc);
  const fields: readonly Pick<DescField, 'number' | 'name' | 'jsonName'>[] = [
    ...desc.fields,
    { number: 999, name: 'unknown_field', jsonName: 'unknownField' },
  ];
  const compareBinary = (differences: Differences, bytes: Uint8Array): void => {
    const what = Buffer.from(bytes).toString('hex');
    differences.compare(
      what,
      () => codec.decode(bytes),
      () => fromBinary(desc, bytes),
    );
  };
  const compareJson = (differences: Differences, text: string): void => {
    const bytes = utf8.encode(text);
    differences.compare(
      text,
      () => codec.decodeJson(bytes),
      () => fromJsonString(desc, new TextDecoder().decode(bytes), { ignoreUnknownFields: true }),
    );
  };

  test('any value of JSON in any field', () => {
    const differences = new Differences();
    const random = new Random(2);
    for (const value of VALUES) {
      compareJson(differences, value);
      for (const { jsonName, name } of fields) {
        // All in all of them are millions; which two of them, the seed says.
        for (const around of [random.of(AROUND), random.of(AROUND)]) {
          compareJson(differences, around(JSON.stringify(jsonName).slice(1, -1), name, value));
        }
      }
    }
    differences.expectNone();
  });

  test('two fields of JSON after each other', () => {
    const differences = new Differences();
    const random = new Random(1);
    for (let count = 0; count < PAIRS; count++) {
      const pair = [random.of(fields), random.of(fields)].map(
        ({ jsonName }) => `${JSON.stringify(jsonName)}:${random.of(VALUES)}`,
      );
      compareJson(differences, `{${pair.join(',')}}`);
    }
    differences.expectNone();
  });

  test('two fields of a oneof, one of them null', () => {
    const differences = new Differences();
    for (const { fields: members } of desc.oneofs) {
      for (const { jsonName } of members) {
        for (const other of members) {
          compareJson(differences, `{"${jsonName}":null,"${other.jsonName}":1}`);
          compareJson(differences, `{"${jsonName}":null,"${other.jsonName}":null}`);
        }
      }
    }
    differences.expectNone();
  });

  test('any element in any field of binary', () => {
    const differences = new Differences();
    const random = new Random(3);
    for (const { number } of [...fields, { number: 0 }]) {
      for (let wireType = 0; wireType < 8; wireType++) {
        for (const payload of PAYLOADS) {
          const element = elementOf(number, wireType, payload);
          compareBinary(differences, random.chance(2) ? element : Buffer.concat([element, element]));
        }
      }
    }
    differences.expectNone();
  });

  test('two elements of binary after each other', () => {
    const differences = new Differences();
    const random = new Random(1);
    for (let count = 0; count < PAIRS; count++) {
      const pair = [1, 2].map(() =>
        elementOf(random.of(fields).number, random.of([0, 1, 2, 2, 2, 5]), random.of(PAYLOADS)),
      );
      compareBinary(differences, Buffer.concat(pair));
    }
    differences.expectNone();
  });
});

function elementOf(number: number, wireType: number, payload: string): Uint8Array {
  const tag = new BinaryWriter().uint32(((number << 3) | wireType) >>> 0).finish();
  return Buffer.concat([tag, Buffer.from(payload, 'hex')]);
}

test('the awkward types are compiled, but for those that are there to be left to the library', () => {
  const left = awkward.filter((desc) => !isPlain(desc) || !isBare(desc)).map(({ name }) => name);
  expect(left.sort()).toEqual([
    'Delimited',
    'Edition',
    'Group',
    'Grouped',
    'HoldsSpecial',
    'Old',
    'Required',
    'Special',
  ]);
});
