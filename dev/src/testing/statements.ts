/**
 * For tests that count what is asked of the database.
 */

/** What a statement given to `query` is called: its name, or, of one that has none and so is planned anew each time, the comment it begins with. */
export function statementName(statement: unknown): string {
  const { name, text }: { name?: string; text?: string } = Object(statement);
  return name ?? /^-- (\w+)\n/.exec(text ?? '')?.[1] ?? '';
}
