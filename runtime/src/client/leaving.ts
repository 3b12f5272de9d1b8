/**
 * Cancels a stream whose reader leaves its loop early. Connect's own clients leave such a call open until its deadline, and
 * a watch has none.
 */

import type { DescService } from '@bufbuild/protobuf';
import type { CallOptions, Client } from '@connectrpc/connect';

type StreamFunction = (input: unknown, options?: CallOptions) => AsyncIterable<unknown>;

/** The same client, whose streams of answers are cancelled by `break`, `return` and `throw` in their reader. */
export function cancelOnLeave<Desc extends DescService>(service: Desc, client: Client<Desc>): Client<Desc> {
  const streams = service.methods
    .filter(({ methodKind }) => methodKind === 'server_streaming' || methodKind === 'bidi_streaming')
    .map(({ localName }) => {
      // By its kind, the method is one that answers with a stream.
      const method = client[localName as keyof Client<Desc>] as unknown as StreamFunction;
      return [localName, leavable(method)];
    });
  return { ...client, ...Object.fromEntries(streams) };
}

function leavable(method: StreamFunction): StreamFunction {
  return (input, options) => {
    const left = new AbortController();
    const signal = options?.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal]);
    const messages = method(input, { ...options, signal });
    return {
      [Symbol.asyncIterator]() {
        const iterator = messages[Symbol.asyncIterator]();
        return {
          next: () => iterator.next(),
          async return() {
            left.abort();
            // Let the call see its end, so that its span is closed; what it says of it interests nobody.
            iterator.next().catch(() => {});
            return { done: true, value: undefined };
          },
        };
      },
    };
  };
}
