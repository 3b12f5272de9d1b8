/**
 * What all directions ask about message types: which of them are compiled at all, and in which order fields are written.
 */

import { create, type DescField, type DescMessage } from '@bufbuild/protobuf';

/** FeatureSet.FieldPresence: the field is set when it differs from zero. */
export const IMPLICIT = 2;
const LEGACY_REQUIRED = 3;

/** A message as compiled code sees it: properties by local name. */
export type Properties = Record<string, unknown>;

/** Types whose fields hold something else than a message (a scalar, a JSON object), or whose JSON depends on a registry. */
const SPECIAL = new Set(
  'Any Struct Value ListValue DoubleValue FloatValue Int64Value UInt64Value Int32Value UInt32Value BoolValue StringValue BytesValue'
    .split(' ')
    .map((name) => `google.protobuf.${name}`),
);

/** All message types that a type's messages can hold, itself first. */
export function treeOf(desc: DescMessage): Set<DescMessage> {
  const found = new Set([desc]);
  // A set that is iterated also yields what is added meanwhile.
  for (const each of found) {
    for (const { message } of each.fields) {
      if (message !== undefined) {
        found.add(message);
      }
    }
  }
  return found;
}

/**
 * Whether a type is compiled: no type in its tree has required fields, groups, or a local form other than a message.
 */
export function isPlain(desc: DescMessage): boolean {
  return [...treeOf(desc)].every((each) => !SPECIAL.has(each.typeName) && each.fields.every(isPlainField));
}

function isPlainField(field: DescField): boolean {
  return field.presence !== LEGACY_REQUIRED && !('delimitedEncoding' in field && field.delimitedEncoding);
}

/**
 * Whether a type's JSON is compiled: it is plain, and none in its tree has names that an object would put into another
 * order (numbers), or two fields of one name.
 */
export function isPlainInJson(desc: DescMessage): boolean {
  return isPlain(desc) && [...treeOf(desc)].every(hasPlainNames);
}

/** Whether messages of a type, and all they hold, are plain objects: without a prototype that holds their defaults. */
export function isBare(desc: DescMessage): boolean {
  return [...treeOf(desc)].every((each) => Object.getPrototypeOf(create(each)) === Object.prototype);
}

function hasPlainNames({ fields }: DescMessage): boolean {
  const names = new Map<string, DescField>();
  return fields.every((field) => {
    const known = [field.name, field.jsonName].some((name) => names.has(name));
    names.set(field.name, field).set(field.jsonName, field);
    return !known && !/^\d+$/.test(field.jsonName) && field.enum?.typeName !== 'google.protobuf.NullValue';
  });
}

/** Fields by number, the order in which they are written. */
export function byNumber(desc: DescMessage): DescField[] {
  return [...desc.fields].sort((one, other) => one.number - other.number);
}
