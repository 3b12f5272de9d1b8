/**
 * `npm run memory`: what each process of the running mesh keeps resident. Pages that several processes share (the binary
 * of five Envoys, PostgreSQL's buffers) are counted once, by their proportional share (PSS), where the system tells it.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { messageOf } from './failure.ts';
import { readLedger } from './leftovers.ts';
import { defaultStateFolder } from './paths.ts';
import { ledgerFile } from './supervisor.ts';

export interface MemoryUse {
  name: string;
  /** MiB of resident memory, shared pages divided among those that share them. */
  mebibytes: number;
}

/** The use of each process with its children, in the order given. Processes that are gone count as 0. */
export function memoryUse(pids: Iterable<readonly [name: string, pid: number]>): MemoryUse[] {
  const children = process.platform === 'linux' ? childrenByParent() : new Map<number, number[]>();
  const total = (pid: number): number =>
    residentKibibytes(pid) + (children.get(pid) ?? []).reduce((sum, child) => sum + total(child), 0);
  return [...pids].map(([name, pid]) => ({ name, mebibytes: total(pid) / 1024 }));
}

/** The uses as aligned lines, with their sum. */
export function memoryTable(uses: readonly MemoryUse[]): string {
  const sum = uses.reduce((total, use) => total + use.mebibytes, 0);
  return [...uses, { name: 'together', mebibytes: sum }]
    .map(({ name, mebibytes }) => `  ${name.padEnd(20)} ${mebibytes.toFixed(0).padStart(6)} MiB`)
    .join('\n');
}

function residentKibibytes(pid: number): number {
  try {
    if (process.platform === 'linux') {
      return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    }
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim());
  } catch {
    return 0;
  }
}

function childrenByParent(): Map<number, number[]> {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // It ended meanwhile.
    }
  }
  return children;
}

if (import.meta.main) {
  try {
    const entries = readLedger(ledgerFile(defaultStateFolder()));
    if (entries.length === 0) throw new Error('no local mesh is running; run `npm start` first');
    process.stdout.write(`${memoryTable(memoryUse(entries.map(({ name, pid }) => [name, pid] as const)))}\n`);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}
