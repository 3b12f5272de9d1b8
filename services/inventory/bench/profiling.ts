/**
 * Where the time goes while one hot item is reserved: in the server by function, in PostgreSQL by statement and by what it waits for.
 */

import type { Settings } from './inventory.ts';
import { type Seen, sampleStatements } from './profile.ts';
import { table } from './report.ts';
import type { Stand } from './stand.ts';

const CALLERS = 256;
const WARM_SECONDS = 2;
/** Rows of each table. */
const MOST = 25;

/** One profile, after a turn that warms everything up. */
export async function profiling(stand: Stand, { seconds }: Settings): Promise<string> {
  const database = await stand.database({ skus: 1 });
  const server = await stand.serve('ours', database);
  const load = { callers: CALLERS, skus: 1, lines: 1 };
  await stand.load(server, { ...load, seconds: WARM_SECONDS });
  let seen: readonly Seen[] = [];
  let turn: Awaited<ReturnType<Stand['load']>> | undefined;
  const before = stand.postgresProcesses();
  const functions = await stand.profile(server, async () => {
    seen = await sampleStatements(database.pool, async () => {
      turn = await stand.load(server, { ...load, seconds });
    });
  });
  const after = stand.postgresProcesses();
  const calls = turn?.calls ?? 0;
  const usA = (ms: number) => ((ms * 1_000) / calls).toFixed(0);
  const processes = [...after]
    .map(([pid, { title, cpuMs }]) => ({ title, ms: cpuMs - (before.get(pid)?.cpuMs ?? 0) }))
    .filter(({ ms }) => ms > 0)
    .sort((a, b) => b.ms - a.ms);
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  return [
    `${CALLERS} callers, ${calls} calls; each cost the server ${usA(turn?.serverMs ?? 0)} us while it was profiled, the load ${usA(turn?.loadMs ?? 0)} us, PostgreSQL:`,
    table(
      ['process', 'us a call'],
      processes.map(({ title, ms }) => [title, usA(ms)]),
    ),
    "The server's own CPU time, by function:",
    table(
      ['function', 'share'],
      functions.slice(0, MOST).map(({ name, share }) => [name, percent(share)]),
    ),
    'Busy connections of PostgreSQL, by statement and what it waits for:',
    table(
      ['statement', 'waits for', 'share'],
      seen.slice(0, MOST).map(({ statement, wait, share }) => [statement.replaceAll('|', '\\|'), wait, percent(share)]),
    ),
  ].join('\n\n');
}
