/**
 * One attempt at a call by connect-node's transports. They ask for a stream without saying for which call, so the attempt travels by
 * AsyncLocalStorage: it learns what became of its stream, and leaves the queue when its call has ended.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { ClientHttp2Stream } from 'node:http2';
import type { PooledSession } from '../session/pooled-session.ts';
import type { SessionPool, Waiting } from '../session/session-pool.ts';

const storage = new AsyncLocalStorage<Attempt>();

/** An attempt. */
export class Attempt {
  #waiting: { readonly pool: SessionPool; readonly waiting: Waiting } | undefined;
  #isOver = false;
  #hasAnswer = false;
  #neverBegan = false;

  /** The attempt that the running code belongs to. */
  static current(): Attempt | undefined {
    return storage.getStore();
  }

  /** Whether the peer did nothing with the call, so that it can be made anew. */
  get neverBegan(): boolean {
    return this.#neverBegan;
  }

  run<T>(work: () => T): T {
    return storage.run(this, work);
  }

  /** Begins to wait for a connection. @returns whether anybody still wants it. */
  wait(pool: SessionPool, waiting: Waiting): boolean {
    this.#waiting = { pool, waiting };
    return !this.#isOver;
  }

  /** A stream was opened for it. */
  opened(stream: ClientHttp2Stream, session: PooledSession): void {
    this.#waiting = undefined;
    stream.once('response', () => {
      this.#hasAnswer = true;
    });
    stream.once('close', () => {
      this.#neverBegan = !this.#hasAnswer && session.neverBegan(stream.id, stream.rstCode ?? 0);
    });
  }

  /** The call has ended. */
  end(): void {
    this.#isOver = true;
    this.#waiting?.pool.leave(this.#waiting.waiting);
    this.#waiting = undefined;
  }
}
