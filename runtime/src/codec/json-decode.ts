/**
 * Messages from JSON, compiled: each field reads its own kind of token from the bytes, so that there is neither a string
 * nor an object of the whole. It knows what encoders of Protobuf write; an unknown field, a value in another of the forms
 * that JSON allows it, or an error leaves the message to the library.
 */

import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { blankMaker } from './blank.ts';
import { byNumber, type Properties } from './fields.ts';
import { isLong, type JsonInput } from './json-input.ts';
import { unusual } from './unusual.ts';
import { wellKnownReader } from './well-known-json.ts';

/** Reads a message; throws `unusual`, or whatever JSON.parse or BigInt do: the library is then to read the whole. */
export type JsonReader = (input: JsonInput) => Properties;
/** Reads a value. */
type ValueReader = (input: JsonInput) => unknown;
/** Reads a field into the message. */
type FieldReader = (message: Properties, input: JsonInput) => void;
type Field = { readonly name: Uint8Array; readonly read: FieldReader; readonly index: number };

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const QUOTE = 0x22;
const LOWER_T = 0x74;
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');

const compiled = new WeakMap<DescMessage, JsonReader>();

/** The reader of a type that `isPlainInJson` and `isBare`. */
export function jsonReader(desc: DescMessage): JsonReader {
  const known = compiled.get(desc);
  if (known !== undefined) {
    return known;
  }
  const read = wellKnownReader(desc) ?? messageReader(desc);
  compiled.set(desc, read);
  return read;
}

function messageReader(desc: DescMessage): JsonReader {
  const make = blankMaker(desc);
  const fields: Field[] = [];
  const named = new Map<string, Field>();
  const read: JsonReader = (input) => {
    const message = make();
    input.enter();
    input.take(OPEN_OBJECT);
    if (input.takes(CLOSE_OBJECT)) {
      input.leave();
      return message;
    }
    let seen = 0;
    let seenBeyond: Set<number> | undefined;
    let expected = 0;
    do {
      const field = fieldOf(fields, named, expected, input);
      const { index } = field;
      expected = index + 1;
      // A name may come once, in either of its forms.
      if (index < 31) {
        if ((seen & (1 << index)) !== 0) {
          throw unusual;
        }
        seen |= 1 << index;
      } else {
        seenBeyond ??= new Set();
        if (seenBeyond.has(index)) {
          throw unusual;
        }
        seenBeyond.add(index);
      }
      field.read(message, input);
    } while (input.more(CLOSE_OBJECT));
    input.leave();
    return message;
  };
  // Known before its fields are, so that a type may hold itself.
  compiled.set(desc, read);
  for (const [index, field] of byNumber(desc).entries()) {
    const compiledField: Field = {
      name: Buffer.from(`${JSON.stringify(field.jsonName)}:`),
      read: fieldReader(field),
      index,
    };
    fields.push(compiledField);
    named.set(field.name, compiledField).set(field.jsonName, compiledField);
  }
  return read;
}

/** The field that is named next. Encoders write them by number, so it is mostly one of the next few. */
function fieldOf(
  fields: readonly Field[],
  named: ReadonlyMap<string, Field>,
  expected: number,
  input: JsonInput,
): Field {
  input.next();
  for (let index = expected; index < expected + 4; index++) {
    const field = fields[index];
    if (field !== undefined && input.takesBytes(field.name)) {
      return field;
    }
  }
  const field = named.get(input.name());
  if (field === undefined) {
    throw unusual;
  }
  return field;
}

function fieldReader(field: DescField): FieldReader {
  const { localName } = field;
  const read = valueReader(field);
  switch (field.fieldKind) {
    case 'list':
      return (message, input) => {
        if (input.takesNull()) {
          return;
        }
        input.take(OPEN_ARRAY);
        if (input.takes(CLOSE_ARRAY)) {
          return;
        }
        const items = message[localName] as unknown[];
        do {
          items.push(read(input));
        } while (input.more(CLOSE_ARRAY));
      };
    case 'map':
      return mapReader(field, read);
    default:
      return singularReader(field, read);
  }
}

function singularReader(
  field: DescField & { fieldKind: 'scalar' | 'enum' | 'message' },
  read: ValueReader,
): FieldReader {
  const { localName, oneof } = field;
  if (oneof === undefined) {
    return (message, input) => {
      // Null leaves a field as it is without it.
      if (!input.takesNull()) {
        message[localName] = read(input);
      }
    };
  }
  const { localName: group } = oneof;
  const mayBeNull = field.fieldKind === 'scalar';
  return (message, input) => {
    if (mayBeNull && input.takesNull()) {
      return;
    }
    if ((message[group] as { case?: string }).case !== undefined) {
      throw unusual;
    }
    message[group] = { case: localName, value: read(input) };
  };
}

function mapReader(field: DescField & { fieldKind: 'map' }, read: ValueReader): FieldReader {
  const { localName, mapKey } = field;
  return (message, input) => {
    if (input.takesNull()) {
      return;
    }
    input.take(OPEN_OBJECT);
    if (input.takes(CLOSE_OBJECT)) {
      return;
    }
    const record = message[localName] as Properties;
    do {
      const key = input.name();
      if (!isPlainKey(mapKey, key) || Object.hasOwn(record, key)) {
        throw unusual;
      }
      record[key] = read(input);
    } while (input.more(CLOSE_OBJECT));
  };
}

/** Whether a key is written as a property of a message is: numbers without zeros ahead, and in their range. */
function isPlainKey(type: ScalarType, key: string): boolean {
  switch (type) {
    case ScalarType.STRING:
      return key !== '__proto__';
    case ScalarType.BOOL:
      return key === 'true' || key === 'false';
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return String(Number(key) | 0) === key;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return String(Number(key) >>> 0) === key;
    default:
      return /^(?:0|-?[1-9]\d{0,19})$/.test(key) && isLong(BigInt(key), isSigned(type));
  }
}

function valueReader(field: DescField): ValueReader {
  if (field.message !== undefined) {
    return jsonReader(field.message);
  }
  if (field.enum !== undefined) {
    return enumReader(field.enum);
  }
  return scalarReader(field.scalar, 'longAsString' in field && field.longAsString);
}

function enumReader(desc: DescEnum): ValueReader {
  const numbers = new Map<string, number>();
  // The name in the .proto file goes before another value's name in JSON.
  for (const { jsonName, number } of desc.values) {
    numbers.set(jsonName, number);
  }
  for (const { name, number } of desc.values) {
    numbers.set(name, number);
  }
  const known = new Set(numbers.values());
  // What came last comes again more often than anything else.
  let last: Uint8Array = Buffer.from('"');
  let lastNumber: number | undefined;
  return (input) => {
    if (input.next() !== QUOTE) {
      const number = input.whole();
      if ((number | 0) !== number || !(desc.open || known.has(number))) {
        throw unusual;
      }
      return number;
    }
    if (lastNumber !== undefined && input.takesBytes(last)) {
      return lastNumber;
    }
    const { at } = input;
    const number = numbers.get(input.string());
    if (number === undefined) {
      throw unusual;
    }
    last = Uint8Array.from(input.bytes.subarray(at, input.at));
    lastNumber = number;
    return number;
  };
}

function scalarReader(type: ScalarType, asString: boolean): ValueReader {
  switch (type) {
    case ScalarType.STRING:
      return (input) => input.string();
    case ScalarType.BOOL:
      return (input) => {
        const isTrue = input.next() === LOWER_T;
        input.literal(isTrue ? TRUE : FALSE);
        return isTrue;
      };
    case ScalarType.BYTES:
      return (input) => Uint8Array.fromBase64(input.string());
    case ScalarType.DOUBLE:
      return floating;
    case ScalarType.FLOAT:
      return (input) => {
        const value = floating(input);
        if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) {
          throw unusual;
        }
        return value;
      };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return (input) => {
        const value = input.whole();
        if ((value | 0) !== value) {
          throw unusual;
        }
        return value;
      };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return (input) => {
        const value = input.whole();
        if (value >>> 0 !== value) {
          throw unusual;
        }
        return value;
      };
    default: {
      const signed = isSigned(type);
      return asString ? (input) => bigText(input, signed) : (input) => input.big(signed);
    }
  }
}

function floating(input: JsonInput): number {
  if (input.next() !== QUOTE) {
    return input.number();
  }
  switch (input.string()) {
    case 'NaN':
      return Number.NaN;
    case 'Infinity':
      return Number.POSITIVE_INFINITY;
    case '-Infinity':
      return Number.NEGATIVE_INFINITY;
    default:
      throw unusual;
  }
}

/** A 64-bit integer that is kept as a string. */
function bigText(input: JsonInput, signed: boolean): string {
  if (input.next() !== QUOTE) {
    throw unusual;
  }
  const text = input.digits();
  if (!isLong(BigInt(text), signed)) {
    throw unusual;
  }
  return text;
}

/** Whether a type of 64 bits has a sign. */
function isSigned(type: ScalarType): boolean {
  return type !== ScalarType.UINT64 && type !== ScalarType.FIXED64;
}
