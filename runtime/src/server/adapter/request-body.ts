/**
 * The body of a request as Connect wants it: an async iterable that ends early when the call does, and that can be thrown
 * away afterwards. Node's own iterator destroys the stream when it is left, which would cut off the answer.
 */

import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import { until } from '../until.ts';

/** How long a caller may go on sending after its answer, before it is cut off, in milliseconds. */
const DISCARD_MAX_MS = 1_000;

/** What was read of a body before the adapter got it. */
export type AlreadyRead = { readonly chunks: readonly Uint8Array[]; readonly isComplete: boolean };

const NOTHING_READ: AlreadyRead = { chunks: [], isComplete: false };

/** A request body that is read once. */
export type RequestBody = AsyncIterable<Uint8Array> & {
  /** Forgets what is left; call `discard` with the stream as well, once the answer is written. */
  forget(): void;
};

/** Reads a stream chunk by chunk, with the stream's own flow control behind it. */
export function readBody(stream: Readable, signal: AbortSignal, already: AlreadyRead = NOTHING_READ): RequestBody {
  const chunks = [...already.chunks];
  let ended = already.isComplete;
  let failure: Error | undefined;
  let isForgotten = false;
  let wake: () => void = () => {};

  stream.on('data', (chunk: Uint8Array) => {
    if (!isForgotten) {
      chunks.push(chunk);
      stream.pause();
      wake();
    }
  });
  stream.on('end', () => {
    // Node ends the body of a caller that left in the middle of it too; 'close' comes next, and tells.
    ended = !('aborted' in stream && stream.aborted === true);
    wake();
  });
  stream.on('close', () => {
    failure ??= ended ? undefined : new Error('the caller left before its request was complete');
    ended = true;
    wake();
  });

  async function next(): Promise<IteratorResult<Uint8Array>> {
    while (chunks.length === 0 && !ended) {
      const arrival = new Promise<void>((resolve) => {
        wake = resolve;
      });
      stream.resume();
      await until(signal, arrival);
    }
    const value = chunks.shift();
    if (value !== undefined) {
      return { done: false, value };
    }
    if (failure !== undefined) {
      throw failure;
    }
    return { done: true, value: undefined };
  }

  return {
    [Symbol.asyncIterator]: () => ({ next, return: async () => ({ done: true, value: undefined }) }),
    forget() {
      isForgotten = true;
      chunks.length = 0;
    },
  };
}

/**
 * Reads and forgets what is left of a request that has its answer, so that a caller that sends before it looks for the answer
 * does not wait forever for flow-control window. One that goes on for a second is reset with NO_ERROR, as RFC 9113 8.1 has it.
 */
export function discard(stream: ServerHttp2Stream): void {
  discardRest(stream, () => stream.close(constants.NGHTTP2_NO_ERROR));
}

/** As `discard`, for any stream. @param cutOff ends the stream of a caller that goes on. */
export function discardRest(stream: Readable, cutOff: () => void): void {
  if (stream.readableEnded || stream.destroyed) {
    return;
  }
  stream.resume();
  const timer = setTimeout(cutOff, DISCARD_MAX_MS);
  timer.unref();
  const stop = () => clearTimeout(timer);
  stream.once('end', stop);
  stream.once('close', stop);
}
