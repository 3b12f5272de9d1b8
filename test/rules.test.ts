/**
 * The quick look at the rules of a contract (runtime/src/server/rules/quick-check.ts) against the library, over every request of our contracts: it
 * says yes to nothing that the library refuses, and to nearly everything else.
 */

import { create, type DescField, type DescMessage, type Message, ScalarType } from '@bufbuild/protobuf';
import { type ReflectList, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { createValidator } from '@bufbuild/protovalidate';
import { exposedServices } from '@weft/gen/weft/exposed.ts';
import { CreateReservationRequestSchema } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { AdjustStockRequestSchema, StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { quickCheckOf } from '@weft/runtime/server/rules/quick-check';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const requests = new Map(
  exposedServices.flatMap(({ methods }) => methods.map(({ input }) => [input.typeName, input] as const)),
);

/** Texts that keep some of the patterns of our contracts, and some that keep none or are at a limit. */
const TEXTS = [
  '',
  'S-1',
  'berlin',
  'DE',
  'EUR',
  'US-CA',
  '4006381333931',
  '0197f3a0-0000-7000-8000-000000000001',
  'a/b',
  'a_b',
  '85444290',
  'Öl 🍵',
  'x'.repeat(64),
  'x'.repeat(65),
  'X'.repeat(64),
  'X'.repeat(65),
  '🍵'.repeat(120),
  '🍵'.repeat(121),
  'y'.repeat(5_000),
  'line\nline',
  '\0',
  '\x7f',
  '\u0085',
  'DE\n',
  ' DE',
  '0197F3A0-0000-7000-8000-00000000000g',
  '-',
  '2'.repeat(32),
];
const INTEGERS = [
  0, 1, -1, 2, 3, 10, 100, 200, 1_000, 1_001, 10_000, 10_001, 1_000_000_000, 2_147_483_647, -2_147_483_648,
];
const BIGINTS = [
  ...INTEGERS.map(BigInt),
  1_000_000_001n,
  1_000_000_000_000n,
  1_000_000_000_001n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];
const LENGTHS = [0, 1, 1, 1, 2, 3, 20, 21, 101, 501, 1_001];
const MOST_ITEMS_NESTED = 3;

/** Draws a number below another. */
type Draw = (below: number) => number;

const validator = createValidator();
/** How often a value is drawn again that breaks a rule by itself. */
const TRIES = 60;

/** A message each of whose fields keeps its rules, as far as that is found. */
function drawValid(desc: DescMessage, draw: Draw, depth: number): ReflectMessage {
  const message = reflect(desc, create(desc));
  for (const field of desc.fields) {
    const isTaken = field.oneof !== undefined && message.oneofCase(field.oneof) !== undefined;
    for (let tries = TRIES; !isTaken && tries > 0; tries -= 1) {
      message.clear(field);
      if (draw(4) > 0) {
        drawField(message, field, draw, depth);
      }
      if (!isBroken(message, field)) {
        break;
      }
    }
  }
  return message;
}

function isBroken({ desc, message }: ReflectMessage, field: DescField): boolean {
  const result = validator.validate(desc, message);
  return (
    result.kind !== 'valid' &&
    (result.kind === 'error' || result.violations.some(({ field: [first] }) => first === field))
  );
}

function drawField(message: ReflectMessage, field: DescField, draw: Draw, depth: number): void {
  if (field.fieldKind === 'list') {
    const most = field.listKind === 'message' ? MOST_ITEMS_NESTED : Number.POSITIVE_INFINITY;
    const length = Math.min(LENGTHS[draw(LENGTHS.length)] ?? 0, most);
    const list: ReflectList = message.get(field);
    for (let index = 0; index < length; index += 1) {
      list.add(drawValue(field, index < MOST_ITEMS_NESTED ? draw : () => 1, depth));
    }
  } else if (field.fieldKind !== 'map' && depth < 3) {
    message.set(field, drawValue(field, draw, depth));
  }
}

function drawValue(field: DescField, draw: Draw, depth: number): unknown {
  if (field.message !== undefined) {
    return drawValid(field.message, draw, depth + 1);
  }
  if (field.enum !== undefined) {
    return [...field.enum.values.map(({ number }) => number), 99][draw(field.enum.values.length + 1)];
  }
  switch (field.scalar) {
    case ScalarType.STRING:
      return TEXTS[draw(TEXTS.length)];
    case ScalarType.BOOL:
      return draw(2) === 1;
    case ScalarType.INT64:
      return BIGINTS[draw(BIGINTS.length)];
    case ScalarType.BYTES:
      return new Uint8Array(draw(5));
    default:
      return INTEGERS[draw(INTEGERS.length)];
  }
}

/** Draws one field anew, whatever its rules, in the message or in one within it. */
function spoil(message: ReflectMessage, draw: Draw): void {
  const { fields } = message.desc;
  const field = fields[draw(fields.length)];
  if (field?.fieldKind === 'message' && message.isSet(field) && draw(3) > 0) {
    spoil(message.get(field), draw);
  } else if (field !== undefined) {
    message.clear(field);
    drawField(message, field, draw, 0);
  }
}

/** Numbers to draw from, by a generator whose seed fast-check chooses. */
function drawing(seed: number): Draw {
  let state = seed;
  return (below) => {
    // Numerical Recipes' linear congruential generator; its high bits are good enough.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Requests with rules of their own, written in CEL, which only the library knows. */
const OWN_RULES = [
  'weft.pricing.v1.BatchUpsertPricesRequest',
  'weft.pricing.v1.CreateQuoteRequest',
  'weft.pricing.v1.CalculateTaxRequest',
  'weft.shipping.v1.ImportRateTableRequest',
];

test('every rule of every request is known to the quick look, but for those in CEL', () => {
  const unknown = [...requests].filter(([, desc]) => quickCheckOf(desc) === undefined).map(([name]) => name);
  expect(unknown).toEqual(OWN_RULES);
});

test.each([...requests].filter(([name]) => !OWN_RULES.includes(name)))('%s', (_, desc) => {
  const quick = quickCheckOf(desc);
  let [valid, yes] = [0, 0];
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const draw = drawing(seed);
      const message = drawValid(desc, draw, 0);
      for (let times = draw(3); times > 0; times -= 1) {
        spoil(message, draw);
      }
      const isValid = validator.validate(desc, message.message).kind === 'valid';
      const isYes = quick?.(message.message as never) ?? false;
      expect(isYes && !isValid).toBe(false);
      valid += Number(isValid);
      yes += Number(isYes);
    }),
    { numRuns: 60 },
  );
  // The rest is odd: texts of many code points outside the first plane, durations whose parts differ in sign.
  expect(yes).toBeGreaterThan(valid / 2);
});

describe('at the limits', () => {
  const id = '0197f3a0-0000-7000-8000-000000000001';
  const adjust = (delta: bigint) =>
    create(AdjustStockRequestSchema, {
      requestId: id,
      sku: 'S-1',
      locationId: 'a',
      delta,
      reason: StockReason.RECEIVED,
    });
  const hold = (seconds: bigint, nanos = 0, quantity = 1n) =>
    create(CreateReservationRequestSchema, {
      requestId: id,
      lines: [{ sku: 'S-1', quantity }],
      ttl: { seconds, nanos },
    });

  test.each([
    [true, AdjustStockRequestSchema, adjust(1n)],
    [true, AdjustStockRequestSchema, adjust(-1n)],
    [false, AdjustStockRequestSchema, adjust(0n)],
    [false, AdjustStockRequestSchema, { ...adjust(1n), reason: StockReason.IMPORTED }],
    [false, AdjustStockRequestSchema, { ...adjust(1n), reason: 99 as StockReason }],
    [true, CreateReservationRequestSchema, hold(1n)],
    [false, CreateReservationRequestSchema, hold(0n, 999_999_999)],
    [true, CreateReservationRequestSchema, hold(604_800n)],
    [false, CreateReservationRequestSchema, hold(604_800n, 1)],
    [false, CreateReservationRequestSchema, hold(-1n)],
    [false, CreateReservationRequestSchema, hold(2n ** 63n - 1n)],
    [true, CreateReservationRequestSchema, hold(60n, 0, 1_000_000_000n)],
    [false, CreateReservationRequestSchema, hold(60n, 0, 1_000_000_001n)],
    [false, CreateReservationRequestSchema, hold(60n, 0, 0n)],
    [false, CreateReservationRequestSchema, { ...hold(60n), ttl: undefined }],
    [false, CreateReservationRequestSchema, { ...hold(60n), requestId: `${id}0` }],
    [false, CreateReservationRequestSchema, { ...hold(60n), requestId: '' }],
    [false, CreateReservationRequestSchema, { ...hold(60n), reference: 'a\nb' }],
  ] as const)('%s', (expected, desc, message) => {
    expect(quickCheckOf(desc)?.(message as never)).toBe(expected);
    expect(validator.validate<DescMessage>(desc, message as Message).kind === 'valid').toBe(expected);
  });
});
