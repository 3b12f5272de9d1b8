/**
 * The rules of values that the quick look knows: those that our contracts use, for everything else there is the library.
 */

import {
  type DescEnum,
  type DescField,
  type DescMessage,
  isFieldSet,
  type MessageShape,
  ScalarType,
} from '@bufbuild/protobuf';
import type { Duration } from '@bufbuild/protobuf/wkt';
import {
  type DurationRules,
  DurationRulesSchema,
  type EnumRules,
  EnumRulesSchema,
  type FieldRules,
  FieldRulesSchema,
  type Int32Rules,
  Int32RulesSchema,
  type Int64Rules,
  Int64RulesSchema,
  RepeatedRulesSchema,
  type StringRules,
  StringRulesSchema,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { IMPLICIT } from '../../codec/fields.ts';

/** Whether a value surely keeps its rules. */
export type Check = (value: unknown) => boolean;

/** There is a rule that the quick look does not know. */
export const UNKNOWN = Symbol('unknown');

type Rules = FieldRules['type'];

const BOUNDS = ['lt', 'lte', 'gt', 'gte'];

/** What is to be checked of a value that is no list; undefined for nothing. */
export function valueCheck(rules: Rules, descEnum: DescEnum | undefined): Check | typeof UNKNOWN | undefined {
  switch (rules.case) {
    case undefined:
      return undefined;
    case 'string':
      return knows(StringRulesSchema, rules.value, 'min_len', 'max_len', 'pattern', 'uuid')
        ? stringCheck(rules.value)
        : UNKNOWN;
    case 'int32':
      return knows(Int32RulesSchema, rules.value, ...BOUNDS, 'not_in') ? integerCheck(rules.value, 'number') : UNKNOWN;
    case 'int64':
      return knows(Int64RulesSchema, rules.value, ...BOUNDS, 'not_in') ? integerCheck(rules.value, 'bigint') : UNKNOWN;
    case 'enum':
      return descEnum !== undefined && knows(EnumRulesSchema, rules.value, 'defined_only', 'in', 'not_in')
        ? enumCheck(rules.value, descEnum)
        : UNKNOWN;
    case 'duration':
      return knows(DurationRulesSchema, rules.value, ...BOUNDS) ? durationCheck(rules.value) : UNKNOWN;
    default:
      return UNKNOWN;
  }
}

/** What is to be checked of a list, given what is to be checked of its items; undefined for nothing. */
export function listCheck(
  rules: Rules,
  ofItem: Check | undefined,
  field: DescField,
): Check | typeof UNKNOWN | undefined {
  if (rules.case === undefined) {
    return ofItem === undefined ? undefined : (list) => (list as unknown[]).every(ofItem);
  }
  if (
    rules.case !== 'repeated' ||
    !knows(RepeatedRulesSchema, rules.value, 'min_items', 'max_items', 'unique', 'items')
  ) {
    return UNKNOWN;
  }
  const { minItems, maxItems, unique } = rules.value;
  // Objects are equal by what they hold.
  if (unique && (field.message !== undefined || field.scalar === ScalarType.BYTES)) {
    return UNKNOWN;
  }
  const least = Number(minItems);
  const most = isFieldSet(rules.value, RepeatedRulesSchema.field.maxItems)
    ? Number(maxItems)
    : Number.POSITIVE_INFINITY;
  return (value) => {
    const list = value as unknown[];
    return (
      list.length >= least &&
      list.length <= most &&
      (!unique || new Set(list).size === list.length) &&
      (ofItem === undefined || list.every(ofItem))
    );
  };
}

/** Whether the rules of an item are of these kinds, and it has no others. */
export function knowsOnly(rules: FieldRules, kinds: readonly string[]): boolean {
  return knows(FieldRulesSchema, rules, ...kinds);
}

/** Whether a field is at zero, which is not set where there is no presence; a message is never. */
export function isZero(field: DescField): Check | typeof UNKNOWN {
  switch (field.fieldKind) {
    case 'message':
      return () => false;
    case 'enum':
      return field.presence === IMPLICIT ? (value) => value === field.enum.values[0]?.number : () => false;
    case 'list':
      return (value) => (value as unknown[]).length === 0;
    case 'scalar':
      if (field.presence !== IMPLICIT) {
        return () => false;
      }
      switch (field.longAsString ? undefined : field.scalar) {
        case ScalarType.STRING:
          return (value) => value === '';
        case ScalarType.BOOL:
          return (value) => value === false;
        case ScalarType.INT32:
          return (value) => value === 0;
        case ScalarType.INT64:
          return (value) => value === 0n;
        default:
          return UNKNOWN;
      }
    default:
      return UNKNOWN;
  }
}

/** Whether a message of rules has none but those of these names. */
function knows<Desc extends DescMessage>(desc: Desc, rules: MessageShape<Desc>, ...names: readonly string[]): boolean {
  return (
    (rules.$unknown ?? []).length === 0 &&
    desc.fields.every((field) => !isFieldSet(rules, field) || names.includes(field.name))
  );
}

const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

function stringCheck(rules: StringRules): Check | typeof UNKNOWN {
  const pattern = isFieldSet(rules, StringRulesSchema.field.pattern) ? regExpOf(rules.pattern) : undefined;
  if (pattern === UNKNOWN) {
    return UNKNOWN;
  }
  const least = Number(rules.minLen);
  const most = isFieldSet(rules, StringRulesSchema.field.maxLen) ? Number(rules.maxLen) : Number.POSITIVE_INFINITY;
  const isUuid = rules.wellKnown.case === 'uuid' && rules.wellKnown.value;
  return (value) => {
    if (typeof value !== 'string') {
      return false;
    }
    // Lengths are of code points, of which there are at most as many as units, and at least half as many.
    return (
      value.length >= (least > 1 ? 2 * least : least) &&
      value.length <= most &&
      (pattern === undefined || pattern.test(value)) &&
      (!isUuid || UUID.test(value))
    );
  };
}

/**
 * What patterns may consist of so that this engine surely agrees with RE2: characters, classes that name some, groups, alternatives and
 * repetitions, of groups at most nine times, so that no text takes exponentially long.
 */
const COMMON_PATTERN =
  /^\^(?:[A-Za-z0-9 _/-]|\[\^?(?:\\x[0-9a-fA-F]{2}|[^[\]\\^])+\]|\\P\{Cc\}|\((?!\?)|\)(?![*+]|\{\d+,\}|\{\d\d)|[|?*+]|\{\d{1,3}(?:,\d{0,3})?\})*\$$/;

function regExpOf(pattern: string): RegExp | typeof UNKNOWN {
  try {
    return COMMON_PATTERN.test(pattern) ? new RegExp(pattern, 'u') : UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}

function integerCheck(
  { lessThan, greaterThan, notIn }: Int32Rules | Int64Rules,
  type: 'number' | 'bigint',
): Check | typeof UNKNOWN {
  const isAllowed = boundsCheck<number | bigint>(lessThan, greaterThan, (bound) => bound);
  const refused = new Set<unknown>(notIn);
  return isAllowed === UNKNOWN
    ? UNKNOWN
    : (value) => typeof value === type && isAllowed(value as number | bigint) && !refused.has(value);
}

type Bound<T> = { readonly case: string | undefined; readonly value?: T | undefined };

/** Compares integers with bounds, given how a bound is one. */
function boundsCheck<T>(
  lessThan: Bound<T>,
  greaterThan: Bound<T>,
  integerOf: (bound: T) => number | bigint,
): ((value: number | bigint) => boolean) | typeof UNKNOWN {
  const most = lessThan.value === undefined ? undefined : integerOf(lessThan.value);
  const least = greaterThan.value === undefined ? undefined : integerOf(greaterThan.value);
  // Bounds that are the wrong way round mean what is not between them.
  if (most !== undefined && least !== undefined && most < least) {
    return UNKNOWN;
  }
  const isBelow = lessThan.case === 'lt';
  const isAbove = greaterThan.case === 'gt';
  return (value) =>
    (most === undefined || value < most || (value === most && !isBelow)) &&
    (least === undefined || value > least || (value === least && !isAbove));
}

function enumCheck(rules: EnumRules, { values }: DescEnum): Check {
  const defined = new Set(values.map(({ number }) => number));
  const allowed = [...defined].filter(
    (number) => (rules.in.length === 0 || rules.in.includes(number)) && !rules.notIn.includes(number),
  );
  const known = new Set(allowed);
  // A number that is not defined is left to the library, whatever the rules say of it.
  return (value) => known.has(value as number);
}

const NANOS = 1_000_000_000n;
/** What a Duration may be, as its definition says. */
const MAX_SECONDS = 315_576_000_000n;

function durationCheck({ lessThan, greaterThan }: DurationRules): Check | typeof UNKNOWN {
  const isAllowed = boundsCheck(lessThan, greaterThan, nanosOf);
  return isAllowed === UNKNOWN
    ? UNKNOWN
    : (value) => isSound(value as Duration) && isAllowed(nanosOf(value as Duration));
}

/** Whether it is a duration of its kind, and none that goes backwards. */
function isSound({ seconds, nanos }: Duration): boolean {
  return seconds >= 0n && seconds <= MAX_SECONDS && nanos >= 0 && nanos < Number(NANOS);
}

function nanosOf({ seconds, nanos }: Duration): bigint {
  return seconds * NANOS + BigInt(nanos);
}
