/**
 * Errors of the database that the services expect.
 */

import { codeOf } from '@weft/runtime/data/pool';

const UNIQUE_VIOLATION = '23505';

/** Whether a unique index refused a write. */
export function isUniqueViolation(error: unknown): boolean {
  return codeOf(error) === UNIQUE_VIOLATION;
}
