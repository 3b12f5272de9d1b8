/**
 * One HTTP request and its answer, as the adapter sees them: the same for HTTP/2 and HTTP/1.1.
 */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import type { Readable } from 'node:stream';

/** A request that waits for its answer. */
export type Exchange = {
  readonly httpVersion: '2.0' | '1.1';
  /** Of the request, with `:method` and `:path` in either version. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
  /** Whether there is nobody left to answer. */
  readonly isGone: boolean;
  /** Sends status and headers. @param trailers gives the trailers once the body is written; undefined: there are none. */
  begin(status: number, headers: OutgoingHttpHeaders, trailers: (() => OutgoingHttpHeaders) | undefined): void;
  /** Sends status and headers, and nothing after them. */
  beginAndEnd(status: number, headers: OutgoingHttpHeaders): void;
  /** Sends a piece of the body. @returns whether more is wanted at once; else wait for `drained`. */
  write(chunk: Uint8Array): boolean;
  /** Resolves when more is wanted, or there is nobody left. */
  drained(): Promise<void>;
  end(): void;
  /** Ends an exchange whose answer cannot be written any more. */
  abandon(why: 'cancelled' | 'failed'): void;
  /** Reads and forgets what is left of the request. */
  discard(): void;
  onClose(listener: () => void): void;
};

/** Resolves at the next of two events of a stream that is written to. */
export function drainedOrClosed(stream: NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}
