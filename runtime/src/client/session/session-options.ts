/**
 * How many connections a process opens to one address, and how it tells that one of them is dead.
 */

/** What bounds the connections to one address. Clients that ask for the same share them. */
export type SessionOptions = {
  /**
   * Most calls at once on one connection: 100. What the peer allows by its SETTINGS bounds it further. Once all connections are full
   * another is opened.
   */
  readonly maxStreams: number;
  /** Most connections at once: 16, at least 1. When all are full, calls wait in a queue. */
  readonly maxSessions: number;
  /**
   * Most calls that wait while no connection on its way has a place for them: 1,000. Calls beyond are RESOURCE_EXHAUSTED. Their deadline
   * runs while they wait.
   */
  readonly maxQueued: number;
  /** Longest that connecting may take, TLS and the peer's SETTINGS included, in milliseconds: 10 s. */
  readonly connectMaxMs: number;
  /**
   * After how long without a call a connection is closed, in milliseconds: 240 s. Below what sidecars and load balancers allow, so
   * that none is closed by the other side while a call is on its way.
   */
  readonly idleMs: number;
  /**
   * After how much silence a connection is checked by a PING, in milliseconds: 30 s. While calls are open at once, otherwise before
   * it is used again. It doubles where the peer complains of too many.
   */
  readonly pingAfterMs: number;
  /** How long the answer to a PING may take before the connection counts as dead, in milliseconds: 5 s. */
  readonly pingTimeoutMs: number;
};

export const DEFAULT_SESSION_OPTIONS: SessionOptions = {
  maxStreams: 100,
  maxSessions: 16,
  maxQueued: 1_000,
  connectMaxMs: 10_000,
  idleMs: 240_000,
  pingAfterMs: 30_000,
  pingTimeoutMs: 5_000,
};
