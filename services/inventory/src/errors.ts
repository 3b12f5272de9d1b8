/**
 * Errors of the database that the services expect.
 */

/** Whether a unique index refused a write. Prisma and pg each have their own code for it. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'P2002' || error.code === '23505');
}
