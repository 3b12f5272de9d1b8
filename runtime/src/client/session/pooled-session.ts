/**
 * One HTTP/2 connection of a pool: how many calls it has and may have, whether it is alive, and how it ends.
 */

import { type ClientHttp2Session, type ClientSessionOptions, connect, constants } from 'node:http2';
import type { Socket } from 'node:net';
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
  readonly createConnection: () => Socket;
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
  readonly #owner: SessionOwner;
  readonly #socket: Socket;
  #state: State = 'connecting';
  #wasReady = false;
  #maxStreams: number;
  #isPinging = false;
  #error: unknown;
  #timer: NodeJS.Timeout;
  /** How much was heard of the peer, and until when, in milliseconds since the epoch. */
  #heardBytes = 0;
  #heardMs = Date.now();
  /** Since when there are no calls, in milliseconds since the epoch. */
  #idleSinceMs = Date.now();
  /** What the peer has said goodbye with. */
  #farewell: { readonly code: number; readonly lastStreamId: number } | undefined;

  constructor(owner: SessionOwner, { createConnection, isTls }: Dial) {
    this.#owner = owner;
    this.#maxStreams = owner.options.maxStreams;
    this.#socket = createConnection();
    this.#socket.on('error', (error) => {
      this.#error ??= error;
      // Node waits for the end of what it still has to write, which may never come.
      this.#socket.destroy();
    });
    const options: ClientSessionOptions = {
      createConnection: () => this.#socket,
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
    this.http2.on('goaway', (code, lastStreamId, data) => {
      this.#farewell = { code, lastStreamId };
      if (code === constants.NGHTTP2_ENHANCE_YOUR_CALM && data?.toString() === TOO_MANY_PINGS) {
        owner.tooManyPings();
      }
      if (this.#wasReady) {
        this.retire();
      } else {
        this.destroy(new ConnectError('the peer takes no calls: it said goodbye at once', Code.Unavailable));
      }
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
    const isOpen = this.#state === 'ready' && !this.http2.closed && !this.http2.destroyed;
    return isOpen ? this.#maxStreams - this.open : 0;
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
    const { pingAfterMs } = this.#owner.options;
    if (this.open === 0 && Date.now() - this.#heardMs >= pingAfterMs && this.#silentMs() >= pingAfterMs) {
      this.#verify();
      return false;
    }
    return true;
  }

  /**
   * Whether the peer did nothing with a call whose stream has closed without an answer, so that it can be made anew
   * (RFC 9113 6.8 and 8.7).
   *
   * @param streamId undefined for a call that never got as far as the wire.
   */
  neverBegan(streamId: number | undefined, rstCode: number): boolean {
    if (streamId === undefined) {
      return true;
    }
    if (this.#farewell !== undefined && streamId > this.#farewell.lastStreamId) {
      return true;
    }
    // Node closes what is open with the code of the peer's farewell, which says nothing of single calls.
    return rstCode === constants.NGHTTP2_REFUSED_STREAM && this.#farewell?.code !== rstCode;
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
      this.#idleSinceMs = Date.now();
      // Without calls it does not keep the process alive.
      this.http2.unref();
    }
    if (this.room > 0) {
      this.#owner.hasRoom(this);
    }
  }

  /** Takes no more calls, and closes when it has none. */
  retire(): void {
    if (this.#state !== 'retired') {
      this.#state = 'retired';
      this.#owner.retired(this);
      this.http2.close();
    }
  }

  /** Ends it, and all its calls, with an error. */
  destroy(error: ConnectError): void {
    this.#error ??= error;
    this.http2.destroy(error, constants.NGHTTP2_CANCEL);
    // Node waits until all is written, which is never where the peer is dead.
    setImmediate(() => this.#socket.destroy());
  }

  #settled(maxConcurrentStreams: number | undefined): void {
    const before = this.room;
    this.#maxStreams = Math.min(this.#owner.options.maxStreams, maxConcurrentStreams ?? Number.POSITIVE_INFINITY);
    if (this.#state === 'connecting') {
      this.#state = 'ready';
      this.#wasReady = true;
      clearTimeout(this.#timer);
      this.#watch();
      this.#idleSinceMs = Date.now();
      if (this.open === 0) {
        this.http2.unref();
      }
    }
    if (this.room > before) {
      this.#owner.hasRoom(this);
    }
  }

  /**
   * For how long nothing was heard of the peer, in milliseconds, as far as it was looked at. Bytes tell, not the end of calls: those end
   * by their deadlines too when the peer is dead.
   */
  #silentMs(): number {
    const { bytesRead } = this.#socket;
    if (bytesRead !== this.#heardBytes) {
      this.#heardBytes = bytesRead;
      this.#heardMs = Date.now();
    }
    return Date.now() - this.#heardMs;
  }

  /** Looks now and then whether it is alive and still needed: nobody pays for a timer of each call. */
  #watch(): void {
    const { pingAfterMs, idleMs } = this.#owner.options;
    const everyMs = Math.max(1, Math.min(WATCH_MAX_MS, pingAfterMs / WATCHES, idleMs / WATCHES));
    this.#timer = setTimeout(() => {
      const silentMs = this.#silentMs();
      if (this.open > 0 && silentMs >= this.#owner.options.pingAfterMs) {
        this.#ping();
      } else if (this.open === 0 && this.#state === 'ready' && Date.now() - this.#idleSinceMs >= idleMs) {
        this.retire();
      } else if (this.open === 0 && this.#state === 'retired') {
        // It closes when the peer does too, which a dead one never will.
        this.#socket.destroy();
        return;
      }
      this.#watch();
    }, everyMs);
    this.#timer.unref();
  }

  #verify(): void {
    this.#state = 'verifying';
    this.http2.ref();
    this.#ping();
  }

  #ping(): void {
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
        this.#verified();
      }
    });
  }

  #verified(): void {
    this.#heardMs = Date.now();
    if (this.#state === 'verifying') {
      this.#state = 'ready';
      this.#idleSinceMs = Date.now();
      this.http2.unref();
      this.#owner.hasRoom(this);
    }
  }

  #ended(): void {
    this.#state = 'retired';
    clearTimeout(this.#timer);
    this.#owner.ended(this, this.#wasReady ? undefined : unavailable(this.#error));
  }
}

function unavailable(cause: unknown): ConnectError {
  if (cause instanceof ConnectError) {
    return cause;
  }
  return new ConnectError(whatSaid(cause), Code.Unavailable, undefined, undefined, cause);
}

/** A host with several addresses fails with an error for each, which together say nothing. */
function whatSaid(cause: unknown): string {
  if (cause instanceof AggregateError && cause.message === '') {
    return cause.errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ');
  }
  return cause instanceof Error ? cause.message : 'the connection was closed before it was ready';
}
