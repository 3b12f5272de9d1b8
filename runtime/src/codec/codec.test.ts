/** The fear: that a message is not what the library makes of it. So every direction is held against the library. */

import { type DescMessage, toBinary, toJsonString } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codecOf } from './codec.ts';
import { knownTypes } from './known-types.ts';
import { isSame, type Outcome, outcomeOf } from './same.ts';
import { Random, sample, spoil } from './sample.ts';

const utf8 = new TextEncoder();
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
});
