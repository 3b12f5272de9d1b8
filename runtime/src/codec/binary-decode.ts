/**
 * Messages from binary, compiled: each field is found by its whole tag, wire type included, and reads what comes next.
 * A field of another wire type, a message field that comes twice and is to be merged, a group or an error leaves the
 * message to the library.
 */

import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import type { BinaryInput } from './binary-input.ts';
import { blankMaker } from './blank.ts';
import type { Properties } from './fields.ts';
import { unusual } from './unusual.ts';
import { DELIMITED, wireTypeOf } from './wire-type.ts';

/** Reads a message up to `end`; throws `unusual`, or what the engine does: the library is then to read the whole. */
export type BinaryReader = (input: BinaryInput, end: number) => Properties;
/** Reads a value behind its tag. */
type ValueReader = (input: BinaryInput) => unknown;
/** Reads a field into the message. */
type FieldReader = (message: Properties, input: BinaryInput) => void;
type UnknownField = { readonly no: number; readonly wireType: number; readonly data: Uint8Array };

/** Tags of up to two bytes. */
const SHORT_TAGS = 1 << 11;

const compiled = new WeakMap<DescMessage, BinaryReader>();

/** The reader of a type that `isPlain` and `isBare`. */
export function binaryReader(desc: DescMessage): BinaryReader {
  const known = compiled.get(desc);
  if (known !== undefined) {
    return known;
  }
  const make = blankMaker(desc);
  const numbers = new Set(desc.fields.map(({ number }) => number));
  const short: (FieldReader | undefined)[] = [];
  const long = new Map<number, FieldReader>();
  const read: BinaryReader = (input, end) => {
    const message = make();
    input.enter();
    let unknown: UnknownField[] | undefined;
    while (input.at < end) {
      const tag = input.tag();
      const field = tag < SHORT_TAGS ? short[tag] : long.get(tag);
      if (field !== undefined) {
        field(message, input);
      } else {
        const no = tag >>> 3;
        const wireType = tag & 7;
        // Number zero is none.
        if (no === 0 || numbers.has(no)) {
          throw unusual;
        }
        unknown ??= [];
        unknown.push({ no, wireType, data: input.skip(wireType) });
      }
    }
    input.leave(end);
    if (unknown !== undefined) {
      message.$unknown = unknown;
    }
    return message;
  };
  // Known before its fields are, so that a type may hold itself.
  compiled.set(desc, read);
  for (const field of desc.fields) {
    for (const [wireType, readField] of fieldReaders(field)) {
      const tag = ((field.number << 3) | wireType) >>> 0;
      if (tag < SHORT_TAGS) {
        short[tag] = readField;
      } else {
        long.set(tag, readField);
      }
    }
  }
  return read;
}

/** The readers of a field by wire type: lists of numbers have two, packed and not. */
function fieldReaders(field: DescField): [wireType: number, read: FieldReader][] {
  switch (field.fieldKind) {
    case 'list':
      return listReaders(field);
    case 'map':
      return [[DELIMITED, mapReader(field)]];
    case 'message':
      return [[DELIMITED, messageReader(field)]];
    case 'enum':
      return [
        [wireTypeOf(ScalarType.INT32), singularReader(field, field.enum.open ? int32 : closedEnum(field.enum.values))],
      ];
    case 'scalar':
      return [[wireTypeOf(field.scalar), singularReader(field, scalarReader(field))]];
  }
}

function singularReader({ localName, oneof }: DescField, read: ValueReader): FieldReader {
  if (oneof === undefined) {
    return (message, input) => {
      message[localName] = read(input);
    };
  }
  const { localName: group } = oneof;
  return (message, input) => {
    message[group] = { case: localName, value: read(input) };
  };
}

function messageReader({ localName, oneof, message: desc }: DescField & { fieldKind: 'message' }): FieldReader {
  const read = childReader(desc);
  if (oneof === undefined) {
    return (message, input) => {
      if (message[localName] !== undefined) {
        throw unusual;
      }
      message[localName] = read(input);
    };
  }
  const { localName: group } = oneof;
  return (message, input) => {
    if ((message[group] as { case?: string }).case === localName) {
      throw unusual;
    }
    message[group] = { case: localName, value: read(input) };
  };
}

function childReader(desc: DescMessage): ValueReader {
  const read = binaryReader(desc);
  return (input) => read(input, input.end());
}

function listReaders(field: DescField & { fieldKind: 'list' }): [wireType: number, read: FieldReader][] {
  const { localName } = field;
  const read = field.listKind === 'message' ? childReader(field.message) : scalarReader(field);
  const one: FieldReader = (message, input) => {
    (message[localName] as unknown[]).push(read(input));
  };
  const wireType = field.listKind === 'message' ? DELIMITED : wireTypeOf(field.scalar ?? ScalarType.INT32);
  if (wireType === DELIMITED) {
    return [[DELIMITED, one]];
  }
  const packed: FieldReader = (message, input) => {
    const items = message[localName] as unknown[];
    const end = input.end();
    while (input.at < end) {
      items.push(read(input));
    }
    input.endsAt(end);
  };
  return [
    [DELIMITED, packed],
    [wireType, one],
  ];
}

function mapReader(field: DescField & { fieldKind: 'map' }): FieldReader {
  const { localName } = field;
  const keyTag = (1 << 3) | wireTypeOf(field.mapKey);
  const readKey = scalarValue(field.mapKey, field.utf8Validation, false);
  const valueType = field.scalar ?? ScalarType.INT32;
  const valueTag = (2 << 3) | (field.mapKind === 'message' ? DELIMITED : wireTypeOf(valueType));
  const readValue =
    field.mapKind === 'message' ? childReader(field.message) : scalarValue(valueType, field.utf8Validation, false);
  return (message, input) => {
    const end = input.end();
    // Both are written, and in this order, though they need not be.
    if (input.tag() !== keyTag) {
      throw unusual;
    }
    const key = String(readKey(input));
    if (key === '__proto__' || input.tag() !== valueTag) {
      throw unusual;
    }
    (message[localName] as Properties)[key] = readValue(input);
    input.endsAt(end);
  };
}

function int32(input: BinaryInput): number {
  return input.varint32() | 0;
}

/** Values that a closed enum does not have are no values of the field. */
function closedEnum(values: readonly { readonly number: number }[]): ValueReader {
  const known = new Set(values.map(({ number }) => number));
  return (input) => {
    const value = int32(input);
    if (!known.has(value)) {
      throw unusual;
    }
    return value;
  };
}

function scalarReader(field: DescField & { fieldKind: 'scalar' | 'list' }): ValueReader {
  return scalarValue(
    field.scalar ?? ScalarType.INT32,
    field.utf8Validation,
    'longAsString' in field && field.longAsString,
  );
}

function scalarValue(type: ScalarType, isStrict: boolean, asString: boolean): ValueReader {
  const read = valueReader(type, isStrict);
  return asString ? (input) => String(read(input)) : read;
}

function valueReader(type: ScalarType, isStrict: boolean): ValueReader {
  switch (type) {
    case ScalarType.STRING:
      return (input) => input.text(isStrict);
    case ScalarType.BYTES:
      return (input) => input.data();
    case ScalarType.BOOL:
      return (input) => input.bool();
    case ScalarType.DOUBLE:
      return (input) => input.double();
    case ScalarType.FLOAT:
      return (input) => input.float();
    case ScalarType.INT32:
      return int32;
    case ScalarType.UINT32:
      return (input) => input.varint32();
    case ScalarType.SINT32:
      return (input) => {
        const value = input.varint32();
        return (value >>> 1) ^ -(value & 1);
      };
    case ScalarType.FIXED32:
      return (input) => input.fixed32();
    case ScalarType.SFIXED32:
      return (input) => input.sfixed32();
    case ScalarType.INT64:
      return (input) => input.int64();
    case ScalarType.UINT64:
      return (input) => input.uint64();
    case ScalarType.SINT64:
      return (input) => input.sint64();
    case ScalarType.FIXED64:
      return (input) => input.fixed64();
    case ScalarType.SFIXED64:
      return (input) => input.sfixed64();
  }
}
