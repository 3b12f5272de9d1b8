/**
 * What the server keeps of one connection: how much it was answered and has not read, and whether it is used at all.
 */

/** The state of a connection. */
export type SessionState = {
  /** Bytes of answers that were written and whose streams are still open. */
  unsentBytes: number;
  /** How many calls came so far. */
  calls: number;
};
