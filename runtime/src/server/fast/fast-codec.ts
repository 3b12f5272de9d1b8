/**
 * The codecs of one RPC on the fast lane: compiled ones, and behind them Connect's own, which have the last word on whatever those
 * cannot do, so that both lanes answer and refuse alike.
 */

import type { DescMessage, JsonReadOptions, JsonWriteOptions, MessageShape } from '@bufbuild/protobuf';
import { createMethodSerializationLookup } from '@connectrpc/connect/protocol';
import { codecOf } from '../../codec/codec.ts';
import type { Limits } from '../limits.ts';
import type { FastDesc } from './fast-method.ts';

/** Reads the requests and writes the answers of an RPC. */
export type FastCodec = {
  /** @throws ConnectError as Connect does. */
  parse(bytes: Uint8Array, isBinary: boolean): MessageShape<DescMessage>;
  /**
   * @param reservedBytes left free in front of the message.
   * @throws ConnectError as Connect does.
   */
  serialize(message: MessageShape<DescMessage>, isBinary: boolean, reservedBytes: number): Uint8Array;
};

/** Makes the codecs of an RPC. */
export function fastCodec(
  method: FastDesc,
  {
    limits,
    jsonOptions,
  }: { readonly limits: Limits; readonly jsonOptions: Partial<JsonReadOptions & JsonWriteOptions> },
): FastCodec {
  const input = codecOf(method.input);
  const output = codecOf(method.output);
  const connects = createMethodSerializationLookup(method, undefined, jsonOptions, limits);
  return {
    parse(bytes, isBinary) {
      try {
        return isBinary ? input.decode(bytes) : input.decodeJson(bytes);
      } catch {
        return connects.getI(isBinary).parse(bytes);
      }
    },
    serialize(message, isBinary, reservedBytes) {
      try {
        const bytes = isBinary
          ? output.encode(message, reservedBytes)
          : reserved(output.encodeJson(message), reservedBytes);
        if (bytes.byteLength - reservedBytes <= limits.writeMaxBytes) {
          return bytes;
        }
      } catch {
        // Connect says what is wrong with it.
      }
      return reserved(connects.getO(isBinary).serialize(message), reservedBytes);
    },
  };
}

function reserved(bytes: Uint8Array, reservedBytes: number): Uint8Array {
  if (reservedBytes === 0) {
    return bytes;
  }
  const result = Buffer.allocUnsafe(reservedBytes + bytes.byteLength);
  result.set(bytes, reservedBytes);
  return result;
}
