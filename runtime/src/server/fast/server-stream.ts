/**
 * The answers of a server stream on the fast lane: each in its envelope as soon as the handler gives it, no faster than the caller
 * reads. What is given without a pause leaves in one write.
 */

import { constants, type ServerHttp2Stream } from 'node:http2';
import { ENVELOPE_HEAD_BYTES, seal, withRoom } from '../../wire/envelope.ts';
import { drainedOrClosed } from '../adapter/exchange.ts';
import { beginStream } from './answer.ts';
import type { FastCall } from './fast-call.ts';

/**
 * Sends all messages, until there are no more or the call is over.
 *
 * @param serialize writes a message, with room for an envelope's head in front of it.
 * @throws what the messages or `serialize` throw; the call then still waits for its status.
 */
export async function sendMessages(
  call: FastCall,
  messages: AsyncIterable<unknown>,
  serialize: (message: unknown) => Uint8Array,
): Promise<void> {
  const { stream, agreed, lane } = call;
  const iterator = messages[Symbol.asyncIterator]();
  // A handler that waits for something else hears of the end by its signal; nobody waits for it to notice.
  const leave = () => void iterator.return?.()?.then(undefined, () => {});
  const forget = call.onAbort(leave);
  try {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      if (call.isOver) {
        return;
      }
      let bytes = serialize(next.value);
      let isCompressed = false;
      if (agreed.response !== null && bytes.byteLength - ENVELOPE_HEAD_BYTES >= lane.compressMinBytes) {
        bytes = withRoom(await agreed.response.compress(bytes.subarray(ENVELOPE_HEAD_BYTES)));
        isCompressed = true;
        if (call.isOver) {
          return;
        }
      }
      if (!call.hasBegun) {
        beginStream(call);
      }
      if (stream.writableCorked === 0) {
        stream.cork();
        process.nextTick(uncork, stream);
      }
      const isWanted = stream.write(seal(bytes, isCompressed));
      call.countUnsent(stream.writableLength);
      if (!isWanted) {
        call.isBlocked = true;
        uncork(stream);
        await drainedOrClosed(stream);
        call.isBlocked = false;
        if (call.isOver) {
          return;
        }
      }
    }
  } catch (error) {
    leave();
    throw error;
  } finally {
    forget();
  }
}

function uncork(stream: ServerHttp2Stream): void {
  if (stream.writableCorked > 0) {
    stream.uncork();
  }
}

/** Ends a stream whose caller does not read: a status would wait behind what it has not read. */
export function cutOff(stream: ServerHttp2Stream): void {
  stream.close(constants.NGHTTP2_CANCEL);
}
