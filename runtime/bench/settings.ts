/** How long and how often a benchmark measures. */

export type Settings = {
  /** Rounds of each comparison; each measures every variant once. */
  readonly rounds: number;
  /** Length of one measurement, in milliseconds. */
  readonly roundMs: number;
  /** Before the first round, for each variant: until this time has passed or this many calls are made. */
  readonly warmUpMs: number;
  readonly warmUpCalls: number;
  /** Calls at once, and the connections they share. */
  readonly callers: number;
  readonly connections: number;
  /** Measure these variants only, ours among them; absent: all. */
  readonly only?: ReadonlySet<string>;
  /** The folder `runtime` of another checkout, measured as the variant `base`. */
  readonly base?: string;
  /** Tells what is going on. */
  readonly progress: (text: string) => void;
};

export const DEFAULT_SETTINGS: Omit<Settings, 'progress'> = {
  // Many short ones rather than a few long ones: what disturbs the machine then disturbs few of them, and all variants alike.
  rounds: 9,
  roundMs: 700,
  warmUpMs: 4_000,
  warmUpCalls: 20_000,
  callers: 64,
  connections: 4,
};
