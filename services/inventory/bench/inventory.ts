/**
 * `npm run bench:inventory`: what inventory costs and how it holds up, against other ways to do the same, side by side in one run. Linux only,
 * since it reads /proc.
 */

import { parseArgs } from 'node:util';
import { importing } from './importing.ts';
import { lone } from './lone.ts';
import { profiling } from './profiling.ts';
import { hot, statement, uniform } from './reserving.ts';
import { scale } from './scale.ts';
import { Stand } from './stand.ts';

/** How thoroughly to measure. */
export type Settings = {
  /** How often each variant has its turn. */
  readonly rounds: number;
  /** How long a turn is. */
  readonly seconds: number;
};

const CASES = {
  hot: 'CreateReservation of one hot item, 64 to 512 callers, against one statement a call and SELECT FOR UPDATE',
  uniform: 'CreateReservation of three of 10,000 items, against one statement a call',
  lone: 'one caller alone, against one statement a call',
  statement: 'the batches alone, without RPC',
  scale: 'reserving, listing and availability with 1,000 to 1,000,000 items',
  import: 'ImportStock of 1,000,000 rows',
  profile: 'where the time of the hot item goes',
} as const;

const RUN: Record<keyof typeof CASES, (stand: Stand, settings: Settings) => Promise<string>> = {
  hot,
  uniform,
  lone,
  statement,
  scale,
  import: importing,
  profile: profiling,
};

const { values } = parseArgs({
  options: {
    case: { type: 'string', default: Object.keys(CASES).join(',') },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    list: { type: 'boolean', default: false },
  },
});
const asked = values.case.split(',');
const unknown = asked.find((name) => !Object.hasOwn(CASES, name));
if (values.list || unknown !== undefined) {
  const list = Object.entries(CASES).map(([name, title]) => `${name.padEnd(10)} ${title}`);
  process.stdout.write(`${unknown === undefined ? '' : `There is no case ${unknown}.\n`}${list.join('\n')}\n`);
  process.exitCode = unknown === undefined ? 0 : 2;
} else {
  const stand = await Stand.open();
  try {
    process.stdout.write(`PostgreSQL with ${stand.settings}\n`);
    for (const name of asked as (keyof typeof CASES)[]) {
      process.stdout.write(`\n## ${name}: ${CASES[name]}\n\n`);
      const settings = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
      process.stdout.write(`${await RUN[name](stand, settings)}\n`);
    }
  } finally {
    await stand.close();
  }
}
process.exit();
