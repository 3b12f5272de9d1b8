/** What the tests of the codec mean by the same: values, their prototypes, the order of their properties, and errors. */

import { isDeepStrictEqual } from 'node:util';

/** What a function gave: a value, or the class and text of an error. */
export type Outcome = { readonly value: unknown } | { readonly error: string };

export function outcomeOf(act: () => unknown): Outcome {
  try {
    return { value: act() };
  } catch (error) {
    if (!(error instanceof Error)) {
      throw error;
    }
    return { error: `${error.constructor.name} ${error.name}: ${error.message}` };
  }
}

/** Whether two outcomes cannot be told apart. */
export function isSame(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(one, other) && hasSameOrder(one, other);
}

/** Whether properties come in the same order, all the way down; said of values that are deeply equal. */
function hasSameOrder(one: unknown, other: unknown): boolean {
  if (
    typeof one !== 'object' ||
    one === null ||
    typeof other !== 'object' ||
    other === null ||
    ArrayBuffer.isView(one)
  ) {
    return true;
  }
  const names = Reflect.ownKeys(one);
  const otherNames = Reflect.ownKeys(other);
  return names.every(
    (name, index) => name === otherNames[index] && hasSameOrder(Reflect.get(one, name), Reflect.get(other, name)),
  );
}
