/**
 * Update masks (AIP-134, AIP-161): which fields of a resource an update changes, and what results.
 */

import { clone, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import type { FieldMask } from '@bufbuild/protobuf/wkt';
import { fail } from './errors/fail.ts';

/** Which fields of a resource clients may not set. Names are those of the contract, such as `create_time`. */
export type MaskRules = {
  /** The resource's name for machines: may be named by a mask, never changes. */
  readonly identifier: string;
  /** What only the server sets: naming one is an error. */
  readonly outputOnly: readonly string[];
};

/**
 * Copies the fields that the mask names from `patch` onto a copy of `current`. A path may lead into a message
 * (`dimensions.width_mm`), a list is replaced as a whole, and `*` names everything that can be set.
 *
 * @throws UPDATE_MASK_INVALID for a mask without paths and for paths that are unknown or output only.
 */
export function applyMask<Desc extends DescMessage>(
  schema: Desc,
  rules: MaskRules,
  current: MessageShape<Desc>,
  patch: MessageShape<Desc>,
  mask: FieldMask | undefined,
): MessageShape<Desc> {
  const paths = mask?.paths ?? [];
  if (paths.length === 0) {
    throw fail('UPDATE_MASK_INVALID', 'the update mask names no field');
  }
  const result = clone(schema, current);
  // A copy, so that the result shares nothing with the request.
  const from = reflect(schema, clone(schema, patch));
  const settable = schema.fields.map((field) => field.name).filter((name) => !rules.outputOnly.includes(name));
  // Each path once, for a mask may name the same a million times.
  const named = new Set(paths);
  const expanded = named.delete('*') ? named.union(new Set(settable)) : named;
  for (const path of expanded) {
    const steps = path.split('.');
    if (rules.outputOnly.includes(steps[0] ?? '')) {
      throw fail('UPDATE_MASK_INVALID', `${JSON.stringify(path)} is output only`, { path });
    }
    if (path !== rules.identifier) {
      copyField(from, reflect(schema, result), steps, path);
    }
  }
  return result;
}

function copyField(from: ReflectMessage, to: ReflectMessage, steps: readonly string[], path: string): void {
  const [step, ...rest] = steps;
  const field = from.desc.fields.find((one) => one.name === step);
  if (field === undefined) {
    throw fail('UPDATE_MASK_INVALID', `${JSON.stringify(path)} is no field of ${from.desc.name}`, { path });
  }
  if (rest.length > 0) {
    if (field.fieldKind !== 'message') {
      throw fail('UPDATE_MASK_INVALID', `${JSON.stringify(path)} leads into a field that has no fields`, { path });
    }
    const inner = to.get(field);
    copyField(from.get(field), inner, rest, path);
    to.set(field, inner);
  } else if (from.isSet(field)) {
    to.set(field, from.get(field));
  } else {
    to.clear(field);
  }
}
