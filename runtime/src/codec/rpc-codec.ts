/**
 * The messages of an RPC as one side of it reads and writes them, in one format: compiled codecs, and behind them Connect's own, which have
 * the last word on whatever those cannot do, so that both lanes answer and refuse alike.
 */

import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { withRoom } from '../wire/envelope.ts';
import { codecOf } from './codec.ts';

type AnyMessage = MessageShape<DescMessage>;

/** Reads the messages that come, and writes those that go. */
export type RpcCodec = {
  /** @throws ConnectError for bytes that are no message, as Connect does. */
  parse(bytes: Uint8Array): AnyMessage;
  /**
   * @param reservedBytes left free in front of the message.
   * @throws ConnectError for a message that cannot be written, or is too large, as Connect does.
   */
  serialize(message: AnyMessage, reservedBytes: number): Uint8Array;
};

/** What a codec is made of. */
export type RpcCodecOptions = {
  readonly reads: DescMessage;
  readonly writes: DescMessage;
  readonly isBinary: boolean;
  readonly writeMaxBytes: number;
  /** Connect's own, in the same format. */
  readonly connects: { parse(bytes: Uint8Array): AnyMessage; serialize(message: AnyMessage): Uint8Array };
};

/** Makes a codec. */
export function rpcCodec({ reads, writes, isBinary, writeMaxBytes, connects }: RpcCodecOptions): RpcCodec {
  const input = codecOf(reads);
  const output = codecOf(writes);
  return {
    parse(bytes) {
      try {
        return isBinary ? input.decode(bytes) : input.decodeJson(bytes);
      } catch {
        return connects.parse(bytes);
      }
    },
    serialize(message, reservedBytes) {
      let bytes: Uint8Array;
      try {
        bytes = isBinary ? output.encode(message, reservedBytes) : withRoom(output.encodeJson(message), reservedBytes);
      } catch {
        bytes = withRoom(connects.serialize(message), reservedBytes);
      }
      const length = bytes.byteLength - reservedBytes;
      if (length > writeMaxBytes) {
        const said = `message size ${length} is larger than configured writeMaxBytes ${writeMaxBytes}`;
        throw new ConnectError(said, Code.ResourceExhausted);
      }
      return bytes;
    },
  };
}
