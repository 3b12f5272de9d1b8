/**
 * Messages to binary, compiled: for each field a closure that knows its tag and type, over memory that outlives the
 * message (output.ts). What is not of the type that the descriptor says (a number given as a string, say) is left to the
 * library.
 */

import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { byNumber, type Properties } from './fields.ts';
import type { Output } from './output.ts';
import { type MessageWriter, type ValueWriter, whenSet } from './presence.ts';
import { unusual } from './unusual.ts';
import { arrayOf, int32, uint32 } from './values.ts';
import { DELIMITED, wireTypeOf } from './wire-type.ts';

const compiled = new WeakMap<DescMessage, MessageWriter>();

/**
 * The writer of a type that `isPlain`. It throws `unusual`, or whatever an odd value makes the engine throw: the library
 * is then to write the whole message.
 */
export function messageWriter(desc: DescMessage): MessageWriter {
  const known = compiled.get(desc);
  if (known !== undefined) {
    return known;
  }
  const { typeName } = desc;
  const fields: MessageWriter[] = [];
  const write: MessageWriter = (message, out) => {
    if (message.$typeName !== typeName) {
      throw unusual;
    }
    for (let index = 0; index < fields.length; index++) {
      fields[index]?.(message, out);
    }
    if (message.$unknown !== undefined) {
      writeUnknown(message.$unknown, out);
    }
  };
  // Known before its fields are, so that a type may hold itself.
  compiled.set(desc, write);
  fields.push(...byNumber(desc).map(fieldWriter));
  return write;
}

function writeUnknown(unknown: unknown, out: Output): void {
  if (!Array.isArray(unknown)) {
    throw unusual;
  }
  for (const { no, wireType, data } of unknown) {
    if (!(Number.isInteger(no) && Number.isInteger(wireType) && data instanceof Uint8Array)) {
      throw unusual;
    }
    out.varint32((no << 3) | wireType);
    out.raw(data);
  }
}

function fieldWriter(field: DescField): MessageWriter {
  switch (field.fieldKind) {
    case 'list':
      return listWriter(field);
    case 'map':
      return mapWriter(field);
    default:
      return whenSet(field, field.fieldKind === 'message' ? childWriter(field) : tagged(field, scalarOf(field)));
  }
}

type List = DescField & { fieldKind: 'list' };
type MapField = DescField & { fieldKind: 'map' };

function tagged({ number }: DescField, scalar: Scalar): ValueWriter {
  const tag = (number << 3) | wireTypeOf(scalar.type);
  const write = scalarWriter(scalar);
  return (value, out) => {
    out.varint32(tag);
    write(value, out);
  };
}

/** Writes messages of a field, each behind its length. */
function childWriter(field: DescField & { message: DescMessage }): ValueWriter {
  const tag = (field.number << 3) | DELIMITED;
  return delimited(tag, messageWriter(field.message) as ValueWriter);
}

/** Writes what has a length that is known afterwards only; one message of a field is mostly as long as another. */
function delimited(tag: number, write: ValueWriter): ValueWriter {
  let guess = 1;
  return (value, out) => {
    out.varint32(tag);
    const { at } = out;
    const left = guess;
    out.room(left);
    out.at += left;
    write(value, out);
    guess = out.lengthAt(at, left);
  };
}

function listWriter(field: List): MessageWriter {
  const { localName } = field;
  if (field.listKind !== 'message' && field.packed) {
    const write = scalarWriter(scalarOf(field));
    const writeAll = delimited((field.number << 3) | DELIMITED, (items, out) => {
      const all = items as unknown[];
      for (let index = 0; index < all.length; index++) {
        write(all[index], out);
      }
    });
    return (message, out) => {
      const items = arrayOf(message[localName]);
      if (items.length > 0) {
        writeAll(items, out);
      }
    };
  }
  const write = field.listKind === 'message' ? childWriter(field) : tagged(field, scalarOf(field));
  return (message, out) => {
    const items = arrayOf(message[localName]);
    for (let index = 0; index < items.length; index++) {
      write(items[index], out);
    }
  };
}

function mapWriter(field: MapField): MessageWriter {
  const { localName } = field;
  const key = scalarWriter({ type: field.mapKey, asString: false });
  const keyTag = (1 << 3) | wireTypeOf(field.mapKey);
  const keyOf = keyReader(field.mapKey);
  let value: ValueWriter;
  let valueTag: number;
  if (field.mapKind === 'message') {
    value = delimited((2 << 3) | DELIMITED, messageWriter(field.message) as ValueWriter);
    valueTag = 0;
  } else {
    const scalar = scalarOf(field);
    value = scalarWriter(scalar);
    valueTag = (2 << 3) | wireTypeOf(scalar.type);
  }
  // The entry is written from its name and the map, so that it needs no object of its own.
  let record: Properties = {};
  const entry = delimited((field.number << 3) | DELIMITED, (name, out) => {
    const entryValue = record[name as string];
    out.varint32(keyTag);
    key(keyOf(name as string), out);
    if (valueTag !== 0) {
      out.varint32(valueTag);
    }
    value(entryValue, out);
  });
  return (message, out) => {
    const all = message[localName] as Properties;
    for (const name of Object.keys(all)) {
      // Set for each, because a value may hold a map of the same field.
      record = all;
      entry(name, out);
    }
    record = {};
  };
}

/** Map keys are properties, so all of them are strings until they are written. */
function keyReader(type: ScalarType): (name: string) => unknown {
  switch (type) {
    case ScalarType.STRING:
      return (name) => name;
    case ScalarType.BOOL:
      return (name) => (name === 'true' ? true : name === 'false' ? false : name);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return BigInt;
    default:
      return (name) => Number.parseInt(name, 10);
  }
}

/** The type of a value, and whether it is a 64-bit integer kept as a string. */
type Scalar = { readonly type: ScalarType; readonly asString: boolean };

function scalarOf(field: DescField): Scalar {
  return field.scalar === undefined
    ? { type: ScalarType.INT32, asString: false }
    : { type: field.scalar, asString: 'longAsString' in field && field.longAsString };
}

function scalarWriter({ type, asString }: Scalar): ValueWriter {
  switch (type) {
    case ScalarType.STRING:
      return (value, out) => {
        if (typeof value !== 'string') {
          throw unusual;
        }
        out.string(value);
      };
    case ScalarType.BYTES:
      return (value, out) => {
        if (!(value instanceof Uint8Array)) {
          throw unusual;
        }
        out.varint32(value.length);
        out.raw(value);
      };
    case ScalarType.BOOL:
      return (value, out) => {
        if (typeof value !== 'boolean') {
          throw unusual;
        }
        out.varint32(value ? 1 : 0);
      };
    case ScalarType.DOUBLE:
      return (value, out) => {
        if (typeof value !== 'number') {
          throw unusual;
        }
        out.double(value);
      };
    case ScalarType.FLOAT:
      return (value, out) => {
        if (typeof value !== 'number' || (Number.isFinite(value) && !Number.isFinite(Math.fround(value)))) {
          throw unusual;
        }
        out.float(value);
      };
    case ScalarType.INT32:
      return (value, out) => {
        const number = int32(value);
        if (number < 0) {
          out.varint64(number, -1);
        } else {
          out.varint32(number);
        }
      };
    case ScalarType.SINT32:
      return (value, out) => {
        const number = int32(value);
        out.varint32((number << 1) ^ (number >> 31));
      };
    case ScalarType.SFIXED32:
      return (value, out) => out.fixed32(int32(value));
    case ScalarType.UINT32:
      return (value, out) => out.varint32(uint32(value));
    case ScalarType.FIXED32:
      return (value, out) => out.fixed32(uint32(value));
    case ScalarType.INT64:
      return asString ? (value, out) => out.varintOf(int64(big(value))) : (value, out) => out.varintOf(int64(value));
    case ScalarType.SINT64:
      return asString ? (value, out) => out.zigzagOf(int64(big(value))) : (value, out) => out.zigzagOf(int64(value));
    case ScalarType.SFIXED64:
      return asString ? (value, out) => out.fixed64(int64(big(value))) : (value, out) => out.fixed64(int64(value));
    case ScalarType.UINT64:
      return asString ? (value, out) => out.varintOf(uint64(big(value))) : (value, out) => out.varintOf(uint64(value));
    case ScalarType.FIXED64:
      return asString ? (value, out) => out.fixed64(uint64(big(value))) : (value, out) => out.fixed64(uint64(value));
  }
}

function big(value: unknown): unknown {
  return typeof value === 'string' ? BigInt(value) : value;
}

function int64(value: unknown): bigint {
  if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) {
    throw unusual;
  }
  return value;
}

function uint64(value: unknown): bigint {
  if (typeof value !== 'bigint' || BigInt.asUintN(64, value) !== value) {
    throw unusual;
  }
  return value;
}
