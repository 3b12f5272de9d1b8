/** The fear: that a message is not what the library makes of it. So every direction is held against the library. */

import { type DescMessage, fromBinary, fromJsonString, toBinary, toJsonString } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codecOf } from './codec.ts';
import { knownTypes } from './known-types.ts';
import { isSame, type Outcome, outcomeOf } from './same.ts';
import { mutated, Random, sample, spoil } from './sample.ts';

const utf8 = new TextEncoder();
const text = new TextDecoder();
const RUNS = 60;
const types = [...(await knownTypes()).values()];

/** Holds for seeds: two ways to do a thing give the same. */
function sameForAll(both: (random: Random) => readonly [mine: Outcome, theirs: Outcome]): void {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const [mine, theirs] = both(new Random(seed));
      if (!isSame(mine, theirs)) {
        expect(mine).toStrictEqual(theirs);
        expect.fail('properties are in another order');
      }
    }),
    { numRuns: RUNS },
  );
}

test('there are types to try', () => {
  expect(types.length).toBeGreaterThan(150);
});

describe.each(types.map((desc) => [desc.typeName, desc] as const))('%s', (_, desc: DescMessage) => {
  const codec = codecOf(desc);

  test('is written in binary as the library writes it, behind what is reserved', () => {
    sameForAll((random) => {
      const message = sample(desc, random);
      const reserved = random.of([0, 5, 9]);
      return [
        outcomeOf(() => codec.encode(message, reserved)),
        outcomeOf(() => Uint8Array.from([...Array(reserved).fill(0), ...toBinary(desc, message)])),
      ];
    });
  });

  test('is refused in binary as the library refuses it', () => {
    sameForAll((random) => {
      const message = sample(desc, random);
      spoil(message, random);
      return [outcomeOf(() => codec.encode(message)), outcomeOf(() => toBinary(desc, message))];
    });
  });

  test('is read from binary as the library reads it', () => {
    sameForAll((random) => {
      const bytes = binaryOf(desc, random);
      return [outcomeOf(() => codec.decode(bytes)), outcomeOf(() => fromBinary(desc, bytes))];
    });
  });

  test('is read from broken binary as the library reads it', () => {
    sameForAll((random) => {
      const bytes = inSomeForm(mutated(binaryOf(desc, random), random), random);
      return [outcomeOf(() => codec.decode(bytes)), outcomeOf(() => fromBinary(desc, bytes))];
    });
  });

  test('is written in JSON as the library writes it', () => {
    sameForAll((random) => {
      const message = sample(desc, random);
      return [outcomeOf(() => codec.encodeJson(message)), outcomeOf(() => utf8.encode(toJsonString(desc, message)))];
    });
  });

  test('is refused in JSON as the library refuses it', () => {
    sameForAll((random) => {
      const message = sample(desc, random);
      spoil(message, random);
      return [outcomeOf(() => codec.encodeJson(message)), outcomeOf(() => utf8.encode(toJsonString(desc, message)))];
    });
  });

  const fromJson = (bytes: Uint8Array) => fromJsonString(desc, text.decode(bytes), { ignoreUnknownFields: true });

  test('is read from JSON as the library reads it', () => {
    sameForAll((random) => {
      const bytes = jsonOf(desc, random);
      return [outcomeOf(() => codec.decodeJson(bytes)), outcomeOf(() => fromJson(bytes))];
    });
  });

  test('is read from broken JSON as the library reads it', () => {
    sameForAll((random) => {
      const bytes = inSomeForm(mutated(jsonOf(desc, random), random), random);
      return [outcomeOf(() => codec.decodeJson(bytes)), outcomeOf(() => fromJson(bytes))];
    });
  });
});

/** A message of the type in binary. */
function binaryOf(desc: DescMessage, random: Random): Uint8Array {
  return inSomeForm(
    firstOf(() => toBinary(desc, sample(desc, random))),
    random,
  );
}

/** A message of the type in JSON, indented or not, by either kind of name. */
function jsonOf(desc: DescMessage, random: Random): Uint8Array {
  const options = {
    useProtoFieldName: random.chance(4),
    enumAsInteger: random.chance(4),
    prettySpaces: random.of([0, 0, 2]),
  };
  return inSomeForm(utf8.encode(firstOf(() => toJsonString(desc, sample(desc, random), options))), random);
}

/** The same bytes, as a Buffer or not, alone in their memory or not. */
function inSomeForm(bytes: Uint8Array, random: Random): Uint8Array {
  const all = new Uint8Array(bytes.length + 16).fill(0x31);
  const before = random.of([0, 3, 16]);
  all.set(bytes, before);
  const part = all.subarray(before, before + bytes.length);
  return random.of([bytes, part, Buffer.from(part), Buffer.from(all.buffer, before, bytes.length)]);
}

/** The first that does not fail: not every message can be written. */
function firstOf<T>(make: () => T): T {
  for (;;) {
    try {
      return make();
    } catch {
      // The next one will differ.
    }
  }
}
