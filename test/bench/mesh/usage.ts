/** What a process uses, from Linux's /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** CPU time of all threads so far, in milliseconds. (/proc/<pid>/stat counts hundredths of a second, which is too coarse for a turn.) */
export function cpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const ns = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return ns.reduce((sum, value) => sum + value, 0) / 1_000_000;
}

/** Resident memory, and the part of it that is the process's own, in MB. */
export function memoryMb(pid: number): { resident: number; anonymous: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { resident: mb('VmRSS'), anonymous: mb('RssAnon') };
}
