/**
 * An error that a person at the terminal can act on: what failed, why, where its log is and what to do. Everything that
 * `npm start` can run into is thrown as one of these; anything else is a defect and keeps its stack.
 */
export class Failure extends Error {
  override readonly name = 'Failure';
  /** One or more lines of cause, as found: an exit code, the last lines of a log. */
  readonly why: string;
  /** What to do next, as a sentence. */
  readonly remedy: string;
  /** The log that has more, when there is one. */
  readonly log: string | undefined;

  constructor(what: string, details: { why: string; remedy: string; log?: string; cause?: unknown }) {
    super(what, { cause: details.cause });
    this.why = details.why;
    this.remedy = details.remedy;
    this.log = details.log;
  }

  /** The failure as indented lines for a terminal. */
  explain(): string {
    const lines = [
      `✗ ${this.message}`,
      ...this.why
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`),
    ];
    if (this.log !== undefined) lines.push(`  Log: ${this.log}`);
    lines.push(`  → ${this.remedy}`);
    return lines.map((line) => `  ${line}`).join('\n');
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
