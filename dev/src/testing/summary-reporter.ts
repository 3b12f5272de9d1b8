/**
 * Counts what vitest ran for the last line of `npm test`, and says why tests were skipped. A file that cannot be loaded, a hook that throws and an error that
 * no test caught each count as one failure, so that nothing that went wrong is left out of the line.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

export interface Summary {
  passed: number;
  failed: number;
  skipped: number;
  /** How many tests were skipped for each reason that they gave. */
  reasons: Record<string, number>;
}

export class SummaryReporter implements Reporter {
  readonly #file: string;

  /** Writes the summary as JSON to `file` when the run ends. */
  constructor(file: string) {
    this.#file = file;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    writeFileSync(this.#file, JSON.stringify(summarize(modules, unhandledErrors)));
  }
}

/** The counts of a run. */
export function summarize(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): Summary {
  const summary: Summary = { passed: 0, failed: unhandledErrors.length, skipped: 0, reasons: {} };
  for (const module of modules) {
    if (module.errors().length > 0) summary.failed += 1;
    for (const suite of module.children.allSuites()) {
      if (suite.errors().length > 0) summary.failed += 1;
    }
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // A test that an ended run left pending did not pass.
      summary[state === 'pending' ? 'failed' : state] += 1;
      const reason = reasonToSkip(test);
      if (reason !== undefined) summary.reasons[reason] = (summary.reasons[reason] ?? 0) + 1;
    }
  }
  return summary;
}

function reasonToSkip(test: TestCase): string | undefined {
  const result = test.result();
  return result.state === 'skipped' ? result.note : undefined;
}
