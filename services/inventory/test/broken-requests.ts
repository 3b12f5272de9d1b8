/**
 * Requests made from the descriptors of their messages and the protovalidate rules there: right in every field, or in every field but one.
 */

import {
  type DescField,
  type DescMessage,
  getOption,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf';
import { field as fieldRules, Ignore } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

/** What requests name: things that are there, or that are not. */
export type Names = { readonly sku: string; readonly locationId: string };
export const KNOWN: Names = { sku: 'A', locationId: 'a' };
export const UNKNOWN: Names = { sku: 'NO-SUCH', locationId: 'no-such' };
export const UUID = '019a0000-0000-7000-8000-000000000000';

/** A message in which every field is right. */
export function wholeOf(message: DescMessage, names = KNOWN): JsonObject {
  const fields = message.fields.filter((field) => rulesOf(field).ignore !== Ignore.ALWAYS && isSent(field));
  return Object.fromEntries(fields.map((field) => [field.jsonName, rightValueOf(field, names)]));
}

/** Tokens have tests of their own; times are absent for now. */
function isSent({ name, message }: DescField): boolean {
  return !name.endsWith('_token') && message?.typeName !== 'google.protobuf.Timestamp';
}

function rulesOf(field: DescField) {
  return getOption(field, fieldRules);
}

type StringRules = { readonly pattern: string; readonly minLen: bigint; readonly maxLen: bigint };
const LENGTHS = { minLen: 0n, maxLen: 1_000_000n };

function rightValueOf(field: DescField, names: Names): JsonValue {
  const { type } = rulesOf(field);
  if (field.fieldKind === 'list') {
    const items = type.case === 'repeated' ? type.value.items?.type : undefined;
    return [
      field.listKind === 'message'
        ? wholeOf(field.message, names)
        : rightTextOf(field, items?.case === 'string' ? items.value : undefined, names),
    ];
  }
  switch (field.fieldKind) {
    case 'message':
      return WELL_KNOWN[field.message.typeName] ?? wholeOf(field.message, names);
    case 'enum': {
      const notIn = type.case === 'enum' ? type.value.notIn : [];
      return field.enum.values.map(({ number }) => number).findLast((number) => !notIn.includes(number)) ?? 0;
    }
    case 'scalar':
      break;
    case 'map':
      throw new Error(`${field.name}: no request has had maps until now`);
  }
  switch (type.case) {
    case 'int32':
    case 'int64':
      return `${type.value.greaterThan.value ?? 0}`;
    case 'string':
      return type.value.wellKnown.case === 'uuid' ? UUID : rightTextOf(field, type.value, names);
    default:
      return field.scalar === ScalarType.BOOL ? false : '';
  }
}

const WELL_KNOWN: Readonly<Record<string, JsonValue>> = {
  'google.protobuf.Duration': '60s',
  'google.protobuf.FieldMask': 'name',
};

function rightTextOf({ name }: DescField, rules: StringRules | undefined, { sku, locationId }: Names): string {
  const { pattern, minLen, maxLen } = rules ?? { pattern: '', ...LENGTHS };
  const candidates = name === 'time_zone' ? ['Europe/Berlin'] : [sku, locationId, 'DE', 'standard', 'kitchen', ''];
  const right = candidates.find(
    (text) =>
      new RegExp(pattern, 'u').test(text) && text.length >= minLen && (maxLen === 0n || text.length <= Number(maxLen)),
  );
  if (right === undefined) {
    throw new Error(`${name}: nothing known matches ${pattern}`);
  }
  return right;
}

/** A request that is wrong in one field, and how the answer must name that. */
export type Breach = { readonly request: JsonObject; readonly path: string };

/** Every breach of a message's rules, each alone in a message that is right otherwise. */
export function breachesOf(message: DescMessage): Breach[] {
  return changesOf(message, (field) => brokenRulesOf(field));
}

/** Whole messages in which one field, at any depth, has another value; `undefined` for none at all. */
function changesOf(message: DescMessage, values: (field: DescField) => [JsonValue | undefined, string][]): Breach[] {
  const whole = wholeOf(message);
  return message.fields
    .filter((field) => rulesOf(field).ignore !== Ignore.ALWAYS)
    .flatMap((field) => {
      const changed = values(field).map(([value, suffix]) => ({ value, path: `${field.name}${suffix}` }));
      const list = field.fieldKind === 'list';
      const inner =
        field.message === undefined || field.message.typeName.startsWith('google.')
          ? []
          : changesOf(field.message, values).map(({ request, path }) => ({
              value: list ? [request] : request,
              path: `${field.name}${list ? '[0]' : ''}.${path}`,
            }));
      return [...changed, ...inner].map(({ value, path }) => ({
        request: { ...without(whole, field.jsonName), ...(value === undefined ? {} : { [field.jsonName]: value }) },
        path,
      }));
    });
}

function without(object: JsonObject, name: string): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
}

function brokenRulesOf(field: DescField): [JsonValue | undefined, string][] {
  const { type, required } = rulesOf(field);
  const broken: [JsonValue | undefined, string][] = required ? [[undefined, '']] : [];
  switch (type.case) {
    case 'string':
      if (type.value.wellKnown.case === 'uuid') {
        const notUuids = ['', 'not-a-uuid', UUID.slice(1), `{${UUID}}`, `${UUID}\n`];
        broken.push([undefined, ''], ...notUuids.map((text): [string, string] => [text, '']));
      }
      broken.push(...brokenTextsOf(type.value).map((text): [string, string] => [text, '']));
      break;
    case 'int32':
    case 'int64': {
      const { greaterThan, lessThan, notIn } = type.value;
      broken.push([`${BigInt(greaterThan.value ?? 0) - 1n}`, ''], [`${BigInt(lessThan.value ?? 0) + 1n}`, '']);
      broken.push(...[...notIn].map((value): [string, string] => [`${value}`, '']));
      // Not there is 0; a field that can tell the two apart says by itself what it means.
      if (BigInt(greaterThan.value ?? 0) > 0n) {
        broken.push([undefined, '']);
      }
      break;
    }
    case 'enum':
      broken.push([9_999, ''], [-1, ''], ...type.value.notIn.map((value): [number, string] => [value, '']));
      break;
    case 'duration':
      broken.push(['0s', ''], ['-60s', ''], ['604800.000000001s', ''], ['0.999999999s', '']);
      break;
    case 'repeated':
      broken.push(...brokenListsOf(field, type.value));
      break;
    default:
  }
  return broken;
}

function brokenTextsOf({ pattern, minLen, maxLen }: StringRules): string[] {
  const matches = new RegExp(pattern, 'u');
  const strange = [
    '',
    '\u0000',
    '\u0007!',
    ' A',
    'A\n',
    'ä',
    '\u{1f4a9}',
    "'; DROP TABLE items; --",
    'a'.repeat(5_000),
    'A'.repeat(5_000),
  ];
  return strange.filter(
    (text) =>
      (pattern !== '' && !matches.test(text)) ||
      [...text].length < minLen ||
      (maxLen > 0n && [...text].length > maxLen),
  );
}

type RepeatedRules = Extract<ReturnType<typeof rulesOf>['type'], { case: 'repeated' }>['value'];

function brokenListsOf(
  field: DescField,
  { minItems, maxItems, unique, items }: RepeatedRules,
): [JsonValue | undefined, string][] {
  const one = (rightValueOf(field, KNOWN) as JsonValue[])[0] ?? null;
  const broken: [JsonValue | undefined, string][] = [];
  if (minItems > 0n) {
    broken.push([[], ''], [undefined, '']);
  }
  if (maxItems > 0n) {
    // Different ones where they must be; countries are of two letters.
    const letters = (index: number) =>
      String.fromCharCode(65 + (Math.floor(index / 26) % 26), 65 + (index % 26)) + (index < 676 ? '' : `${index}`);
    const many = Array.from({ length: Number(maxItems) + 1 }, (_, index) => (unique ? letters(index) : one));
    broken.push([many, '']);
  }
  if (unique) {
    broken.push([[one, one], '']);
  }
  if (items?.type.case === 'string') {
    broken.push(...brokenTextsOf(items.type.value).map((text): [JsonValue, string] => [[text], '[0]']));
  }
  return broken;
}

/** Every message in which one text is another. */
export function textsIn(message: DescMessage, texts: readonly string[]): JsonObject[] {
  const isText = (field: DescField) => field.fieldKind === 'scalar' && field.scalar === ScalarType.STRING;
  return changesOf(message, (field) => (isText(field) ? texts.map((text) => [text, '']) : [])).map(
    ({ request }) => request,
  );
}

/** Every message in which one value can be no value of its field. */
export function unreadable(message: DescMessage): JsonObject[] {
  return changesOf(message, unreadableOf).map(({ request }) => request);
}

/** Values that no field of this kind can have in JSON. */
function unreadableOf(field: DescField): [JsonValue, string][] {
  const values: JsonValue[] = (() => {
    if (field.fieldKind === 'list') {
      return ['A', { 0: 'A' }, 7];
    }
    if (field.fieldKind === 'message') {
      return UNREADABLE[field.message.typeName] ?? ['A', [], 7];
    }
    if (field.fieldKind === 'enum') {
      return [1.5, 2_147_483_648, {}, []];
    }
    switch (field.fieldKind === 'scalar' ? field.scalar : undefined) {
      case ScalarType.INT64:
        return ['9223372036854775808', '-9223372036854775809', '1e40', 'NaN', '1.5', 'A', 1.5, 1e40, true, {}, []];
      case ScalarType.INT32:
        return ['2147483648', '-2147483649', 2_147_483_648, 'NaN', 1.5, true, {}];
      case ScalarType.BOOL:
        return ['true', 1, {}];
      default:
        return [7, true, {}, ['A']];
    }
  })();
  return values.map((value) => [value, '']);
}

const UNREADABLE: Readonly<Record<string, JsonValue[]>> = {
  'google.protobuf.Timestamp': [
    'yesterday',
    '2026-13-01T00:00:00Z',
    '10000-01-01T00:00:00Z',
    '0000-01-01T00:00:00Z',
    7,
  ],
  'google.protobuf.Duration': ['a minute', '60', '315576000001s', 7],
  'google.protobuf.FieldMask': [7, 'snake_case'],
};
