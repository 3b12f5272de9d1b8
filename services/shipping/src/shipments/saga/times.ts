/** How long the parts of a saga may take. Kept together because they depend on each other. */

/** Durations in milliseconds. */
export type SagaTimes = {
  /**
   * How long an owner has for one step: more than its requests may take by their deadlines (3 s at most, in UNDO_RESERVE), so
   * that they are over when the next owner begins.
   */
  readonly leaseMs: number;
  /** How long a shipment may take to be placed before it is undone. */
  readonly giveUpMs: number;
  /** How long its stock is held unless confirmed: longer than `giveUpMs`, so that it does not expire under a saga at work. */
  readonly holdMs: number;
  /** Pause after the first failed try; it doubles with each. */
  readonly firstPauseMs: number;
  /** Longest pause between tries. */
  readonly longestPauseMs: number;
  /** Between two looks for work that is due. */
  readonly sweepMs: number;
};

export const SAGA_TIMES: SagaTimes = {
  leaseMs: 6_000,
  giveUpMs: 120_000,
  holdMs: 600_000,
  firstPauseMs: 200,
  longestPauseMs: 10_000,
  sweepMs: 500,
};

/** The pause before the next try, in milliseconds: 200, 400, 800 ... 10,000, or what the callee asked for if that is more. */
export function pauseMs(times: SagaTimes, failedTries: number, askedMs = 0): number {
  const grown = times.firstPauseMs * 2 ** Math.min(failedTries, 20);
  return Math.min(times.longestPauseMs, Math.max(grown, askedMs));
}
