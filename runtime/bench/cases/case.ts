/** What a case of the benchmark is, and what it gives. */

import type { Subject } from '../compare.ts';
import type { Settings } from '../settings.ts';
import type { Spread } from '../statistics.ts';

/** A table as it is printed. The first column is text, the others are numbers. */
export type Table = {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes?: readonly string[];
};

/** A ratio that the project wants. */
export type Finding = {
  readonly side: 'server' | 'client';
  /** With whom ours is compared, in words; the same on both sides. */
  readonly against: string;
  /** The comparator's cost over ours. */
  readonly ratio: Spread;
  /** The least that is good. */
  readonly wanted: number;
};

export type CaseResult = {
  readonly tables: readonly Table[];
  readonly findings?: readonly Finding[];
  /** Figures of each round, for `--json`. */
  readonly raw: unknown;
};

/** Processes that a case starts; all are ended after it. */
export type Case = {
  /** Its name on the command line. */
  readonly name: string;
  readonly title: string;
  /** The variants that it compares, for `--only` and `--profile`. */
  readonly variants: readonly string[];
  run(settings: Settings): Promise<CaseResult>;
  /** Starts one variant, to be profiled; absent where a profile makes no sense. */
  subject?(variant: string, settings: Settings): Promise<Subject>;
};
