/**
 * Compares variants in interleaved rounds: each round measures every variant once, each round begins with another one, and
 * ratios are those of one round, so that a machine that others use at the same time troubles all alike.
 */

import type { Settings } from './settings.ts';
import { ratioOf, type Spread, spreadOf } from './statistics.ts';
import type { CommonCommands } from './worker.ts';
import type { Worker } from './workers.ts';

/** What one measurement told of the process that was measured. */
export type Cost = {
  readonly calls: number;
  /** CPU time a call, in microseconds, garbage collection included. */
  readonly cpuUs: number;
  /** Calls a second by the clock, which also depends on the other side and on the machine. */
  readonly callsPerSecond: number;
};

/** A variant, its process running. */
export type Subject = {
  readonly name: string;
  readonly worker: Pick<Worker<CommonCommands>, 'ask'>;
  /** Calls, for at most so long and so many. */
  drive(limits: { readonly ms: number; readonly calls?: number }): Promise<{ calls: number; ms: number }>;
  /** Fails when an answer is wrong; how many were looked at. */
  verify(): Promise<number>;
};

export type Measured = { readonly name: string; readonly costs: readonly Cost[] };

export async function measure({ worker, drive }: Subject, ms: number): Promise<Cost> {
  const before = await worker.ask('mark');
  const driven = await drive({ ms });
  const after = await worker.ask('mark');
  return {
    calls: driven.calls,
    cpuUs: (after.cpuUs - before.cpuUs) / driven.calls,
    callsPerSecond: (driven.calls / driven.ms) * 1_000,
  };
}

/** Checks, warms up and measures. */
export async function compare(subjects: readonly Subject[], settings: Settings): Promise<Measured[]> {
  for (const subject of subjects) {
    settings.progress(`warming up ${subject.name}`);
    await subject.verify();
    await subject.drive({ ms: settings.warmUpMs, calls: settings.warmUpCalls });
  }
  const costs = new Map<string, Cost[]>(subjects.map(({ name }) => [name, []]));
  for (let round = 0; round < settings.rounds; round += 1) {
    for (const position of subjects.keys()) {
      const subject = subjects[(round + position) % subjects.length];
      if (subject !== undefined) {
        settings.progress(`round ${round + 1} of ${settings.rounds}: ${subject.name}`);
        costs.get(subject.name)?.push(await measure(subject, settings.roundMs));
      }
    }
  }
  return [...costs].map(([name, measured]) => ({ name, costs: measured }));
}

/** CPU time a call, over the rounds. */
export function cpuOf({ costs }: Measured): Spread {
  return spreadOf(costs.map(({ cpuUs }) => cpuUs));
}

/** How many times the CPU time of `reference` a variant takes, over the rounds. */
export function cpuRatio(variant: Measured, reference: Measured): Spread {
  const cpu = ({ costs }: Measured) => costs.map(({ cpuUs }) => cpuUs);
  return ratioOf(cpu(variant), cpu(reference));
}
