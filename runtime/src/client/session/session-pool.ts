/**
 * The HTTP/2 connections to one address, shared by all clients of a process that call it. They are opened when they are needed,
 * replaced when the peer says goodbye, and bounded in number; so are the calls on each and those that wait.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import { detached } from '../../server/call.ts';
import { type Dial, PooledSession, type SessionOwner } from './pooled-session.ts';
import type { SessionOptions } from './session-options.ts';

/** How long no further connection is tried where one has just failed and others are there, in milliseconds. */
const DIAL_AGAIN_MS = 100;

/** A call that needs a connection. */
export type Waiting = {
  /** Opens a stream on the session, at once. */
  begin(session: PooledSession): void;
  /** No connection is to be had. */
  refused(error: ConnectError): void;
};

/** Connections to one address. */
export class SessionPool implements SessionOwner {
  #options: SessionOptions;
  readonly #dial: Dial;
  /** Those that take calls, or soon will. */
  readonly #sessions: PooledSession[] = [];
  /** Those that take no more, and have calls that go on. */
  readonly #retired = new Set<PooledSession>();
  readonly #queue = new Set<Waiting>();
  #failedMs = 0;

  constructor(dial: Dial, options: SessionOptions) {
    this.#dial = dial;
    this.#options = options;
  }

  get options(): SessionOptions {
    return this.#options;
  }

  /** How many connections there are, the ones included that only finish what was begun. */
  get size(): number {
    return this.#sessions.length + this.#retired.size;
  }

  /** How many calls wait. */
  get queued(): number {
    return this.#queue.size;
  }

  /** Begins a call on a connection: at once, or when there is one, or never. */
  begin(waiting: Waiting): void {
    for (const session of this.#sessions) {
      if (session.isUsable()) {
        waiting.begin(session);
        return;
      }
    }
    // Those for whom a connection is on its way will have a place.
    if (this.#queue.size - this.#promised() >= this.#options.maxQueued) {
      waiting.refused(
        new ConnectError(
          `${this.#queue.size} calls wait for a connection already, the most that may`,
          Code.ResourceExhausted,
        ),
      );
      return;
    }
    this.#queue.add(waiting);
    this.#grow();
  }

  /** The call no longer waits. */
  leave(waiting: Waiting): void {
    this.#queue.delete(waiting);
  }

  /** Ends all connections and the calls on them. The next call opens another. */
  close(): void {
    const error = new ConnectError('the connections of this process are being closed', Code.Unavailable);
    for (const session of [...this.#sessions, ...this.#retired]) {
      session.destroy(error);
    }
    this.#sessions.length = 0;
    this.#refuse(error);
  }

  hasRoom(session: PooledSession): void {
    for (const waiting of this.#queue) {
      if (session.room <= 0) {
        return;
      }
      this.#queue.delete(waiting);
      waiting.begin(session);
    }
  }

  retired(session: PooledSession): void {
    this.#remove(session);
    this.#retired.add(session);
    this.#grow();
  }

  ended(session: PooledSession, error: ConnectError | undefined): void {
    this.#remove(session);
    this.#retired.delete(session);
    if (error !== undefined) {
      this.#failedMs = Date.now();
      // Those who wait get what room there will be on the others.
      if (this.#sessions.length === 0) {
        this.#refuse(error);
      }
    } else {
      this.#grow();
    }
  }

  tooManyPings(): void {
    this.#options = { ...this.#options, pingAfterMs: this.#options.pingAfterMs * 2 };
  }

  /** Opens connections for those who wait, as far as the ones on their way will not do. */
  #grow(): void {
    if (this.#sessions.length > 0 && Date.now() - this.#failedMs < DIAL_AGAIN_MS) {
      return;
    }
    let promised = this.#promised();
    while (this.#queue.size > promised && this.#sessions.length < this.#options.maxSessions) {
      // It outlives the call that it is opened for.
      const session = detached(() => new PooledSession(this, this.#dial));
      this.#sessions.push(session);
      promised += session.promised;
    }
  }

  /** How many calls the connections that are on their way will take. */
  #promised(): number {
    let promised = 0;
    for (const session of this.#sessions) {
      promised += session.promised;
    }
    return promised;
  }

  #remove(session: PooledSession): void {
    const index = this.#sessions.indexOf(session);
    if (index >= 0) {
      this.#sessions.splice(index, 1);
    }
  }

  #refuse(error: ConnectError): void {
    const queue = [...this.#queue];
    this.#queue.clear();
    for (const waiting of queue) {
      waiting.refused(error);
    }
  }
}
