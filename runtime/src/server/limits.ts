/**
 * The limits that every server has, each of which someone has been hurt without.
 */

/**
 * What a server bears of one caller. All have defaults; a service changes them only with a reason beside it.
 */
export type Limits = {
  /**
   * Largest message read, in bytes, compressed or not: 4 MiB, as in every gRPC implementation. A message that declares more
   * is RESOURCE_EXHAUSTED before a byte is reserved for it.
   */
  readonly readMaxBytes: number;
  /** Largest message sent, in bytes: 4 MiB, what clients accept by default. */
  readonly writeMaxBytes: number;
  /**
   * Smallest message that is compressed for a caller that accepts it, in bytes: 1,024, below which it costs more than it saves.
   * -1 compresses even messages of no bytes.
   */
  readonly compressMinBytes: number;
  /**
   * Most bytes of answers that one connection may leave unread, counted until their streams close: 16 MiB. While there are
   * more, further calls on it are OVERLOADED; a single answer that is not read by its call's deadline is reset.
   */
  readonly unsentMaxBytes: number;
  /** Largest block of request headers, in bytes: 32 KiB, room for a token's claims. More is MESSAGE_TOO_LARGE. */
  readonly headerMaxBytes: number;
  /** Most request headers: 100, as in Envoy. More is refused by a reset. */
  readonly headerMaxCount: number;
  /** Most calls at once on one connection: 1,000. A caller that opens more waits or is refused. */
  readonly maxConcurrentStreams: number;
  /**
   * Longest that a connection may be without a call, in milliseconds: 65 minutes, above the 60 after which Envoy closes idle
   * connections, so that the server never closes one under a call that is on its way.
   */
  readonly idleConnectionMs: number;
  /** Longest that a new connection may take until it speaks HTTP (and TLS, where asked for), in milliseconds: 10 s. */
  readonly handshakeMaxMs: number;
  /** Deadline of an RPC without policy (health, reflection), in milliseconds: 10 s. `Infinity`: none but the caller's. */
  readonly defaultDeadlineMs: number;
  /** Longest life of a stream without policy, in milliseconds: 1 h. `Infinity`: no end. */
  readonly defaultStreamLifeMs: number;
};

export const DEFAULT_LIMITS: Limits = {
  readMaxBytes: 4 * 1024 * 1024,
  writeMaxBytes: 4 * 1024 * 1024,
  compressMinBytes: 1024,
  unsentMaxBytes: 16 * 1024 * 1024,
  headerMaxBytes: 32 * 1024,
  headerMaxCount: 100,
  maxConcurrentStreams: 1_000,
  idleConnectionMs: 3_900_000,
  handshakeMaxMs: 10_000,
  defaultDeadlineMs: 10_000,
  defaultStreamLifeMs: 3_600_000,
};

/** Limits that may be `Infinity`: none. */
const ENDLESS: ReadonlySet<string> = new Set(['defaultDeadlineMs', 'defaultStreamLifeMs']);

/**
 * The limits of a server: those given, and the defaults.
 *
 * @throws Error that names a limit that is none: not a whole number above 0.
 */
export function limitsOf(given: Partial<Limits> = {}): Limits {
  for (const [name, value] of Object.entries(given)) {
    const isNone = name === 'compressMinBytes' ? value === -1 || value === 0 : ENDLESS.has(name) && value === Infinity;
    if (!(name in DEFAULT_LIMITS)) {
      throw new Error(`limits.${name} is not known: choose among ${Object.keys(DEFAULT_LIMITS).join(', ')}`);
    }
    if (!isNone && !(Number.isSafeInteger(value) && value > 0)) {
      throw new Error(`limits.${name} is ${value}: give a whole number above 0, or leave it out`);
    }
  }
  return { ...DEFAULT_LIMITS, ...given };
}

/**
 * How long a stream may live by the server's own clock: less than policy allows, so that the server's clean ending comes
 * before Envoy's reset. A tenth earlier, at most 5 s.
 */
export function streamLifeMs(maxDurationMs: number): number {
  return maxDurationMs - Math.min(5_000, maxDurationMs / 10);
}

/**
 * The size of a block of headers as HTTP/2 counts it (RFC 9113 6.5.2): names, values and 32 bytes for each.
 *
 * @param raw names and values in turn.
 */
export function headerBytes(raw: readonly string[]): number {
  let bytes = raw.length * 16;
  for (const text of raw) {
    bytes += text.length;
  }
  return bytes;
}
