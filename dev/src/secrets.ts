/** Small files that only their owner may read, made once and kept: passwords and keys of the local mesh. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes a file of mode 0600 in one step: it is there whole, or not at all. */
export function writeSecret(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}.new`;
  writeFileSync(draft, content, { mode: 0o600 });
  renameSync(draft, file);
}

/** The passwords in `file`, one for each of `names`; those that are missing are made and kept. */
export function passwords(file: string, names: readonly string[]): Map<string, string> {
  const kept = new Map<string, string>(Object.entries(readObject(file)));
  const missing = names.filter((name) => !kept.has(name));
  for (const name of missing) kept.set(name, randomBytes(24).toString('base64url'));
  if (missing.length > 0) writeSecret(file, `${JSON.stringify(Object.fromEntries(kept), undefined, 2)}\n`);
  return kept;
}

function readObject(file: string): Record<string, string> {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
}
