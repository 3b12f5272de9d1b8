/**
 * Message fields that the contract requires. Validation refuses a request without them before a handler runs; this says so to
 * the compiler, and holds when someone loosens the contract.
 */

import { fail } from '@weft/runtime/errors/fail';

/** @throws INVALID_FIELD when the value is absent. */
export function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) {
    throw fail(
      'INVALID_FIELD',
      `${field} is required.`,
      {},
      {
        fieldViolations: [{ field, description: 'value is required', reason: 'required' }],
      },
    );
  }
  return value;
}
