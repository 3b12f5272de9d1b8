/**
 * The body of a request as Connect wants it: an async iterable that ends early when the call does, and that can be thrown
 * away afterwards. Node's own iterator destroys the stream when it is left, which would cut off the answer.
 */

import { constants, type ServerHttp2Stream } from 'node:http2';
import { until } from './until.ts';

/** How long a caller may go on sending after its answer, before the stream is reset, in milliseconds. */
const DISCARD_MAX_MS = 1_000;

/** A request body that is read once. */
export type RequestBody = AsyncIterable<Uint8Array> & {
  /**
   * Reads and forgets what is left, so that a caller that sends before it looks for the answer does not wait forever for
   * flow-control window. One that goes on for a second is reset with NO_ERROR, as RFC 9113 8.1 has it.
   */
  discard(): void;
};

/** Reads a stream chunk by chunk, with the stream's own flow control behind it. */
export function readBody(stream: ServerHttp2Stream, signal: AbortSignal): RequestBody {
  const chunks: Uint8Array[] = [];
  let ended = false;
  let failure: Error | undefined;
  let discarding = false;
  let wake: () => void = () => {};

  stream.on('data', (chunk: Uint8Array) => {
    if (!discarding) {
      chunks.push(chunk);
      stream.pause();
      wake();
    }
  });
  stream.on('end', () => {
    ended = true;
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
    discard() {
      discarding = true;
      chunks.length = 0;
      if (ended || stream.destroyed) {
        return;
      }
      stream.resume();
      const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), DISCARD_MAX_MS);
      timer.unref();
      stream.once('close', () => clearTimeout(timer));
    },
  };
}
