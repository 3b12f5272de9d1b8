// Rate ids: what was signed can be read, and nothing else can.

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type RateClaims, readRateId, signRateId } from './rate-id.ts';

const key = randomBytes(32);
const claims: RateClaims = {
  carrierId: 'alpenpost',
  serviceId: 'express',
  currencyCode: 'EUR',
  minorUnits: 1_290n,
  subject: 'x'.repeat(43),
  expireTimeMs: Date.UTC(2026, 0, 1),
};

test('what was signed can be read', () => {
  expect(readRateId(signRateId(claims, key), key)).toEqual(claims);
});

test('the longest names fit into the contract', () => {
  const longest = { ...claims, carrierId: 'c'.repeat(63), serviceId: 's'.repeat(63), minorUnits: 10n ** 15n };
  expect(signRateId(longest, key).length).toBeLessThanOrEqual(1_024);
});

test('another key does not read it', () => {
  expect(readRateId(signRateId(claims, key), randomBytes(32))).toBeUndefined();
});

test('one altered character anywhere is refused', () => {
  const rateId = signRateId(claims, key);
  fc.assert(
    fc.property(fc.nat(rateId.length - 1), fc.constantFrom(...'AaZz09_-.'), (at, character) => {
      fc.pre(rateId[at] !== character);
      expect(readRateId(rateId.slice(0, at) + character + rateId.slice(at + 1), key)).toBeUndefined();
    }),
    { numRuns: 1_000 },
  );
});

test('text that is no rate id is refused', () => {
  for (const text of ['', '.', 'a.b', 'null', '{}', signRateId(claims, key).split('.')[0] ?? '', 'x'.repeat(5_000)]) {
    expect(readRateId(text, key)).toBeUndefined();
  }
  fc.assert(fc.property(fc.string(), (text) => readRateId(text, key) === undefined));
});
