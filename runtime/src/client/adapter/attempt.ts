/**
 * The attempts at one call by connect-node's transports. They ask for a stream without saying for which call, so the attempt travels by
 * AsyncLocalStorage: it learns what became of its stream, and leaves the queue when its call has ended.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { type ClientHttp2Stream, constants } from 'node:http2';
import type { PooledSession } from '../session/pooled-session.ts';
import type { SessionPool, Waiting } from '../session/session-pool.ts';

const storage = new AsyncLocalStorage<Attempt>();
/** Codes of resets of which connect-node tells nobody: a call that was not answered would wait for ever. */
const UNTOLD: ReadonlySet<number> = new Set([constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_STREAM_CLOSED]);

/** The attempt that goes on. */
export class Attempt {
  #waiting: { readonly pool: SessionPool; readonly waiting: Waiting } | undefined;
  #isOver = false;
  #hasAnswer = false;
  #neverBegan = false;
  #closed: { readonly rstCode: number; readonly isGone: boolean } | undefined;

  /** The attempt that the running code belongs to. */
  static current(): Attempt | undefined {
    return storage.getStore();
  }

  /** Whether the peer did nothing with the call, so that it can be made anew. */
  get neverBegan(): boolean {
    return this.#neverBegan;
  }

  /** With what code its stream was closed, and whether the connection went with it; undefined while it is open. */
  get closed(): { readonly rstCode: number; readonly isGone: boolean } | undefined {
    return this.#closed;
  }

  /** Makes an attempt. */
  async make<T>(begin: () => Promise<T>): Promise<T> {
    this.#isOver = false;
    this.#hasAnswer = false;
    this.#neverBegan = false;
    this.#closed = undefined;
    try {
      return await storage.run(this, begin);
    } finally {
      this.#isOver = true;
      this.#waiting?.pool.leave(this.#waiting.waiting);
      this.#waiting = undefined;
    }
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
      const rstCode = stream.rstCode ?? constants.NGHTTP2_NO_ERROR;
      this.#closed = { rstCode, isGone: session.isGone };
      this.#neverBegan = !this.#hasAnswer && session.neverBegan(stream.id, rstCode);
      if (stream.id === undefined && this.#neverBegan) {
        // The connection has no numbers left, or is on its way out.
        session.retire();
      }
      if (!this.#hasAnswer && UNTOLD.has(rstCode)) {
        stream.emit('error', new Error(`the stream was closed with code ${rstCode}, and not answered`));
      }
    });
  }
}
