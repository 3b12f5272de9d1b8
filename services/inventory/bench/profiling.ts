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
  const functions = await stand.profile(server, async () => {
    seen = await sampleStatements(database.pool, () => stand.load(server, { ...load, seconds }));
  });
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  return [
    `${CALLERS} callers. The server's own CPU time, by function:`,
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
