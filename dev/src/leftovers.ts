/**
 * What a dead run may have left: the guardian ends its processes, but it can be killed too. The supervisor therefore writes
 * down what it started, and the next start ends whatever of it still lives before it begins.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { signal, startMark } from './identity.ts';
import { waitFor } from './wait.ts';

export interface LedgerEntry {
  name: string;
  pid: number;
  /** See identity.ts. */
  mark: string;
  stopSignal: NodeJS.Signals;
}

/** The processes that a supervisor has running, kept in a file. */
export class Ledger {
  readonly #file: string;
  readonly #entries = new Map<number, LedgerEntry>();

  constructor(file: string) {
    this.#file = file;
  }

  add(name: string, pid: number, stopSignal: NodeJS.Signals): void {
    const mark = startMark(pid);
    if (mark === undefined) return;
    this.#entries.set(pid, { name, pid, mark, stopSignal });
    this.#write();
  }

  remove(pid: number): void {
    if (this.#entries.delete(pid)) this.#write();
  }

  #write(): void {
    if (this.#entries.size === 0) {
      rmSync(this.#file, { force: true });
      return;
    }
    writeFileSync(`${this.#file}.new`, JSON.stringify([...this.#entries.values()], undefined, 2), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

/** Ends what the ledger of a dead supervisor lists and still lives. Returns the names of what it had to end. */
export async function endLeftovers(file: string, graceMs = 8000): Promise<string[]> {
  const left = readLedger(file).filter(lives);
  for (const entry of left) signal(-entry.pid, entry.stopSignal);
  try {
    await waitFor('the end of a former run', () => !left.some(lives), { withinMs: graceMs });
  } catch {
    for (const entry of left.filter(lives)) signal(-entry.pid, 'SIGKILL');
    await waitFor('the end of a former run', () => !left.some(lives), { withinMs: 5000 });
  }
  rmSync(file, { force: true });
  return left.map((entry) => entry.name);
}

function lives(entry: LedgerEntry): boolean {
  return startMark(entry.pid) === entry.mark;
}

/** What a supervisor has written down, or had when it died. */
export function readLedger(file: string): LedgerEntry[] {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(parsed) ? parsed.filter(isEntry) : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is LedgerEntry {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Partial<LedgerEntry>;
  return (
    typeof entry.pid === 'number' &&
    entry.pid > 1 &&
    typeof entry.mark === 'string' &&
    typeof entry.stopSignal === 'string'
  );
}
