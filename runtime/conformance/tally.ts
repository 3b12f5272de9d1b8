/**
 * How the programs under test tell the run which lane served their calls: each leaves a file in a folder that the run names.
 * A run can pass on the fallback alone, and standard output belongs to the suite's runner.
 */

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** How many calls each lane served: the fast one, and the adapter over Connect that does whatever the fast one leaves to it. */
export type Lanes = { readonly fast: number; readonly adapter: number };

/** What one program under test did. */
export type Tally = {
  readonly protocol: 'connect' | 'grpc' | 'grpc-web';
  readonly httpVersion: '1.1' | '2';
  readonly tls: boolean;
  readonly lanes: Lanes;
  /** Unary calls that came as far as a handler, or that a client made. */
  readonly unary: number;
  /** Why the program ended itself, where it did. */
  readonly gaveUp?: string;
};

/** The variable that names the folder. */
export const TALLY_FOLDER = 'WEFT_CONFORMANCE_TALLY';

/**
 * Leaves a tally, where a run wants one, in place of the one that was left before. Programs do so every second as long as it
 * changes, by which the run knows that they get on, and on their way out, which is why it is synchronous.
 */
export function leaveTally(tally: Tally, part = ''): void {
  const folder = process.env[TALLY_FOLDER];
  if (folder === undefined) return;
  writeFileSync(join(folder, `${process.pid}${part}.json`), JSON.stringify(tally));
}

/** When a tally was last left in a folder, in milliseconds since the epoch; 0: never. */
export function lastTallyMs(folder: string): number {
  return Math.max(0, ...readdirSync(folder).map((name) => statSync(join(folder, name)).mtimeMs));
}

/** The tallies that were left in a folder. */
export function readTallies(folder: string): Tally[] {
  return readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
}

/** Sums lanes. */
export function sumLanes(tallies: readonly Tally[]): Lanes {
  return tallies.reduce((sum, { lanes }) => ({ fast: sum.fast + lanes.fast, adapter: sum.adapter + lanes.adapter }), {
    fast: 0,
    adapter: 0,
  });
}
