/**
 * Messages to canonical JSON, compiled: bytes of UTF-8 are written at once, with neither an object nor a string of the
 * whole in between. Names are bytes ahead of time. What the library would refuse, or write from a value of another type, is
 * left to it.
 */

import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { byNumber, type Properties } from './fields.ts';
import { wordOf } from './output.ts';
import { type MessageWriter, type ValueWriter, whenSet } from './presence.ts';
import { unusual } from './unusual.ts';
import { arrayOf, int32, uint32 } from './values.ts';
import { wellKnownWriter } from './well-known-json.ts';

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;
const QUOTE = 0x22;
const TRUE = wordOf('true');
const FALSE = wordOf('false');

const compiled = new WeakMap<DescMessage, MessageWriter>();

/** The writer of a type that `isPlainInJson`; it throws as that for binary does. */
export function jsonWriter(desc: DescMessage): MessageWriter {
  const known = compiled.get(desc);
  if (known !== undefined) {
    return known;
  }
  const { typeName } = desc;
  const wellKnown = wellKnownWriter(desc);
  const fields: MessageWriter[] = [];
  const write: MessageWriter = (message, out) => {
    if (message.$typeName !== typeName) {
      throw unusual;
    }
    if (wellKnown !== undefined) {
      wellKnown(message, out);
      return;
    }
    const { at } = out;
    // Each field begins with a comma; the first one becomes the brace.
    for (let index = 0; index < fields.length; index++) {
      fields[index]?.(message, out);
    }
    if (out.at === at) {
      out.byte(OPEN_OBJECT);
    } else {
      out.bytes[at] = OPEN_OBJECT;
    }
    out.byte(CLOSE_OBJECT);
  };
  // Known before its fields are, so that a type may hold itself.
  compiled.set(desc, write);
  if (wellKnown === undefined) {
    fields.push(...byNumber(desc).map(fieldWriter));
  }
  return write;
}

function fieldWriter(field: DescField): MessageWriter {
  const name = wordOf(`,${JSON.stringify(field.jsonName)}:`);
  const { localName } = field;
  const write = valueWriter(field);
  switch (field.fieldKind) {
    case 'list':
      return (message, out) => {
        const items = arrayOf(message[localName]);
        if (items.length === 0) {
          return;
        }
        out.word(name);
        const { at } = out;
        for (let index = 0; index < items.length; index++) {
          out.byte(COMMA);
          write(items[index], out);
        }
        out.bytes[at] = OPEN_ARRAY;
        out.byte(CLOSE_ARRAY);
      };
    case 'map':
      return (message, out) => {
        const record = message[localName] as Properties;
        const keys = Object.keys(record);
        if (keys.length === 0) {
          return;
        }
        out.word(name);
        const { at } = out;
        for (const key of keys) {
          out.byte(COMMA);
          out.quoted(key);
          out.byte(COLON);
          write(record[key], out);
        }
        out.bytes[at] = OPEN_OBJECT;
        out.byte(CLOSE_OBJECT);
      };
    default:
      return whenSet(field, (value, out) => {
        out.word(name);
        write(value, out);
      });
  }
}

/** Writes a value of the field, or an item of its list or map. */
function valueWriter(field: DescField): ValueWriter {
  if (field.message !== undefined) {
    return jsonWriter(field.message) as ValueWriter;
  }
  return field.enum === undefined ? scalarWriter(field.scalar) : enumWriter(field.enum);
}

/** Enum values by name; those that have none, as numbers. */
function enumWriter({ values, value: byNumber }: DescEnum): ValueWriter {
  const names = new Map(
    values.map(({ number }) => [number, wordOf(JSON.stringify(byNumber[number]?.jsonName ?? number))]),
  );
  return (value, out) => {
    const number = int32(value);
    const name = names.get(number);
    if (name === undefined) {
      out.decimal(number);
    } else {
      out.word(name);
    }
  };
}

function scalarWriter(type: ScalarType): ValueWriter {
  switch (type) {
    case ScalarType.STRING:
      return (value, out) => {
        if (typeof value !== 'string') {
          throw unusual;
        }
        out.quoted(value);
      };
    case ScalarType.BOOL:
      return (value, out) => {
        if (typeof value !== 'boolean') {
          throw unusual;
        }
        out.word(value ? TRUE : FALSE);
      };
    case ScalarType.BYTES:
      return (value, out) => {
        if (!(value instanceof Uint8Array)) {
          throw unusual;
        }
        out.byte(QUOTE);
        out.ascii(value.toBase64());
        out.byte(QUOTE);
      };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return (value, out) => {
        if (typeof value !== 'number') {
          throw unusual;
        }
        // String writes minus zero as JSON.stringify does: 0.
        out.ascii(Number.isFinite(value) ? String(value) : `"${value}"`);
      };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return (value, out) => out.decimal(uint32(value));
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return (value, out) => out.decimal(int32(value));
    default:
      return (value, out) => {
        if (typeof value === 'bigint') {
          out.byte(QUOTE);
          out.bigDecimal(value);
          out.byte(QUOTE);
        } else if (typeof value === 'string') {
          out.quoted(value);
        } else {
          throw unusual;
        }
      };
  }
}
