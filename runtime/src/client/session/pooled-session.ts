/**
 * One HTTP/2 connection of a pool: how many calls it has and may have, whether it is alive, and how it ends.
 */

import { type ClientHttp2Session, type ClientSessionOptions, connect, constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import { Code, ConnectError } from '@connectrpc/connect';
import type { SessionOptions } from './session-options.ts';

/** What a pool is told of its connections. */
export type SessionOwner = {
  readonly options: SessionOptions;
  /** The session has room for more calls than before. */
  hasRoom(session: PooledSession): void;
  /** The session takes no more calls; those that are open go on. */
  retired(session: PooledSession): void;
  /** The session is no more. `error` tells why it never got ready, where it did not. */
  ended(session: PooledSession, error: ConnectError | undefined): void;
  /** The peer finds that it is asked too often whether it is there. */
  tooManyPings(): void;
};

/** How to connect. */
export type Dial = {
  readonly createConnection: () => Duplex;
  readonly isTls: boolean;
};

/** Largest block of answer headers, in bytes: room for an error's details. */
const HEADER_MAX_BYTES = 64 * 1024;
const WATCH_MAX_MS = 10_000;
const WATCHES = 4;
const TOO_MANY_PINGS = 'too_many_pings';

type State = 'connecting' | 'ready' | 'verifying' | 'retired';

/** A connection. */
export class PooledSession {
  readonly http2: ClientHttp2Session;
  /** How many calls are open. */
  open = 0;
  /** When anything was last heard of the peer, in milliseconds since the epoch. */
  heardMs = Date.now();
  readonly #owner: SessionOwner;
  #state: State = 'connecting';
  #maxStreams: number;
  #isPinging = false;
  #error: unknown;
  #timer: NodeJS.Timeout;

  constructor(owner: SessionOwner, { createConnection, isTls }: Dial) {
    this.#owner = owner;
    this.#maxStreams = owner.options.maxStreams;
    const options: ClientSessionOptions = {
      createConnection,
      settings: { maxHeaderListSize: HEADER_MAX_BYTES, enablePush: false },
    };
    // The authority is named by each request.
    this.http2 = connect(`${isTls ? 'https' : 'http'}://egress`, options);
    this.http2.on('connect', () => {
      if (isTls && this.http2.alpnProtocol !== 'h2') {
        this.destroy(new ConnectError('the server does not offer HTTP/2 over TLS', Code.Unavailable));
      }
    });
    this.http2.on('remoteSettings', ({ maxConcurrentStreams }) => this.#settled(maxConcurrentStreams));
    this.http2.on('goaway', (code, _lastStreamId, data) => {
      if (code === constants.NGHTTP2_ENHANCE_YOUR_CALM && data?.toString() === TOO_MANY_PINGS) {
        owner.tooManyPings();
      }
      this.retire();
    });
    this.http2.on('error', (error: unknown) => {
      this.#error ??= error;
    });
    this.http2.on('close', () => this.#ended());
    this.#timer = setTimeout(
      () => this.destroy(new ConnectError('connecting took too long', Code.Unavailable)),
      owner.options.connectMaxMs,
    );
  }

  /** Whether the connection is closed or broken, rather than one of its calls; its calls may hear of it first. */
  get isGone(): boolean {
    return this.http2.destroyed;
  }

  /** How many more calls it takes now. */
  get room(): number {
    return this.#state === 'ready' && !this.isGone ? this.#maxStreams - this.open : 0;
  }

  /** How many calls it will take once it is ready, where it is not yet. */
  get promised(): number {
    return this.#state === 'connecting' || this.#state === 'verifying' ? this.#maxStreams : 0;
  }

  /**
   * Whether it may be used. A connection without calls that was silent for long is checked first, and has no room until it has
   * answered.
   */
  isUsable(): boolean {
    if (this.room <= 0) {
      return false;
    }
    if (this.open === 0 && Date.now() - this.heardMs >= this.#owner.options.pingAfterMs) {
      this.#verify();
      return false;
    }
    return true;
  }

  /** A call was opened on it. */
  opened(): void {
    this.open += 1;
    if (this.open === 1) {
      this.http2.ref();
    }
  }

  /** A call of it has closed. */
  closed(): void {
    this.open -= 1;
    if (this.open === 0 && !this.isGone) {
      this.heardMs = Date.now();
      // Without calls it does not keep the process alive.
      this.http2.unref();
    }
    if (this.room > 0) {
      this.#owner.hasRoom(this);
    }
  }

  /** Takes no more calls. */
  retire(): void {
    if (this.#state !== 'retired') {
      this.#state = 'retired';
      this.#owner.retired(this);
    }
  }

  /** Ends it, and all its calls, with an error. */
  destroy(error: ConnectError): void {
    this.#error ??= error;
    this.http2.destroy(error, constants.NGHTTP2_CANCEL);
  }

  #settled(maxConcurrentStreams: number | undefined): void {
    this.heardMs = Date.now();
    const before = this.room;
    this.#maxStreams = Math.min(this.#owner.options.maxStreams, maxConcurrentStreams ?? Number.POSITIVE_INFINITY);
    if (this.#state === 'connecting') {
      this.#state = 'ready';
      clearTimeout(this.#timer);
      this.#watch();
      if (this.open === 0) {
        this.http2.unref();
      }
    }
    if (this.room > before) {
      this.#owner.hasRoom(this);
    }
  }

  /** Looks now and then whether it is alive and still needed: nobody pays for a timer of each call. */
  #watch(): void {
    const { pingAfterMs, idleMs } = this.#owner.options;
    const everyMs = Math.max(1, Math.min(WATCH_MAX_MS, pingAfterMs / WATCHES, idleMs / WATCHES));
    this.#timer = setTimeout(() => {
      const silentMs = Date.now() - this.heardMs;
      if (this.open > 0 && silentMs >= this.#owner.options.pingAfterMs) {
        this.#ping(() => {});
      } else if (this.open === 0 && silentMs >= idleMs && this.#state === 'ready') {
        this.retire();
        this.http2.close();
        return;
      }
      this.#watch();
    }, everyMs);
    this.#timer.unref();
  }

  #verify(): void {
    this.#state = 'verifying';
    this.http2.ref();
    this.#ping(() => {
      if (this.#state === 'verifying') {
        this.#state = 'ready';
        this.http2.unref();
        this.#owner.hasRoom(this);
      }
    });
  }

  #ping(answered: () => void): void {
    if (this.#isPinging || this.http2.destroyed) {
      return;
    }
    this.#isPinging = true;
    const timer = setTimeout(
      () => this.destroy(new ConnectError('the connection does not answer', Code.Unavailable)),
      this.#owner.options.pingTimeoutMs,
    );
    timer.unref();
    this.http2.ping((error) => {
      clearTimeout(timer);
      this.#isPinging = false;
      if (error === null) {
        this.heardMs = Date.now();
        answered();
      }
    });
  }

  #ended(): void {
    const neverReady = this.#state === 'connecting';
    this.#state = 'retired';
    clearTimeout(this.#timer);
    this.#owner.ended(this, neverReady ? unavailable(this.#error) : undefined);
  }
}

function unavailable(cause: unknown): ConnectError {
  if (cause instanceof ConnectError) {
    return cause;
  }
  const said = cause instanceof Error ? cause.message : 'the connection was closed before it was ready';
  return new ConnectError(said, Code.Unavailable, undefined, undefined, cause);
}
