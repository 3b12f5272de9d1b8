/** Whether a singular field is set, compiled: the question is the same in binary and in JSON. */

import { type DescField, ScalarType } from '@bufbuild/protobuf';
import { IMPLICIT, type Properties } from './fields.ts';
import type { Output } from './output.ts';

/** Writes a message, or one of its fields. */
export type MessageWriter = (message: Properties, out: Output) => void;
/** Writes a value. */
export type ValueWriter = (value: unknown, out: Output) => void;
/** A field of one value. */
export type SingularField = DescField & { fieldKind: 'scalar' | 'enum' | 'message' };

/** Writes the value of a field with `write` when the field is set. */
export function whenSet(field: SingularField, write: ValueWriter): MessageWriter {
  const { localName, oneof } = field;
  if (oneof !== undefined) {
    const { localName: group } = oneof;
    return (message, out) => {
      const chosen = message[group] as { case?: string; value?: unknown };
      if (chosen.case === localName) {
        write(chosen.value, out);
      }
    };
  }
  if (field.presence !== IMPLICIT) {
    return (message, out) => {
      const value = message[localName];
      // Where presence is explicit, the prototype may hold the default.
      if (value !== undefined && Object.hasOwn(message, localName)) {
        write(value, out);
      }
    };
  }
  if (field.fieldKind === 'enum') {
    const zero = field.enum.values[0]?.number;
    return (message, out) => {
      const value = message[localName];
      if (value !== zero) {
        write(value, out);
      }
    };
  }
  switch (field.scalar) {
    case ScalarType.BOOL:
      return (message, out) => {
        const value = message[localName];
        if (value !== false) {
          write(value, out);
        }
      };
    case ScalarType.STRING:
      return (message, out) => {
        const value = message[localName];
        if (value !== '') {
          write(value, out);
        }
      };
    case ScalarType.BYTES:
      return (message, out) => {
        const value = message[localName];
        if (!(value instanceof Uint8Array) || value.length > 0) {
          write(value, out);
        }
      };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return (message, out) => {
        const value = message[localName];
        // Minus zero is not zero.
        if (!Object.is(value, 0)) {
          write(value, out);
        }
      };
    default:
      return (message, out) => {
        const value = message[localName];
        if (value !== 0n && value !== 0 && !isZeroString(value)) {
          write(value, out);
        }
      };
  }
}

/** A 64-bit integer that is kept as a string is zero however it is written: "0", "00", "". */
function isZeroString(value: unknown): boolean {
  return typeof value === 'string' && Number(value) === 0;
}
