/**
 * Counts what vitest ran for the last line of `npm test`. A file that cannot be loaded, a hook that throws and an error that
 * no test caught each count as one failure, so that nothing that went wrong is left out of the line.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export interface Summary {
  passed: number;
  failed: number;
  skipped: number;
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
  const summary: Summary = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
  for (const module of modules) {
    if (module.errors().length > 0) summary.failed += 1;
    for (const suite of module.children.allSuites()) {
      if (suite.errors().length > 0) summary.failed += 1;
    }
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // A test that an ended run left pending did not pass.
      summary[state === 'pending' ? 'failed' : state] += 1;
    }
  }
  return summary;
}
