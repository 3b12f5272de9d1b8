/** Temporary folders for tests, with short paths and gone when the test is over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder of mode 0700 that is removed when the running test has finished. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}
