/**
 * What the fast lane needs to call one unary RPC: its request headers and its codecs, worked out once.
 */

import type { DescMessage, DescMethodUnary, JsonReadOptions, JsonWriteOptions, MessageShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { createClientMethodSerializers } from '@connectrpc/connect/protocol';
import { codecOf } from '../../codec/codec.ts';
import type { ClientOptions } from '../options.ts';

/** One unary RPC as a client calls it. */
export type ClientMethod = {
  readonly method: DescMethodUnary;
  readonly isGrpc: boolean;
  /** Content type of request and answer. */
  readonly contentType: string;
  /** Names and values of the headers that lead to the RPC. */
  readonly route: readonly string[];
  /** Names and values of the protocol's headers, which no caller gives. */
  readonly protocolHeaders: readonly string[];
  /**
   * @param reservedBytes left free in front of the message.
   * @throws ConnectError for a message that cannot be written, or is too large.
   */
  serialize(message: MessageShape<DescMessage>, reservedBytes: number): Uint8Array;
  /** @throws ConnectError for bytes that are no message. */
  parse(bytes: Uint8Array): MessageShape<DescMessage>;
};

/** How calls name their maker, where the caller has no name of its own. */
export const USER_AGENT = 'weft-runtime/0.1.0';

/** Prepares a unary RPC. */
export function clientMethod(
  method: DescMethodUnary,
  options: ClientOptions,
  jsonOptions: Partial<JsonReadOptions & JsonWriteOptions>,
): ClientMethod {
  const { isBinary, authority, tls, acceptCompression, writeMaxBytes } = options;
  const isGrpc = options.protocol === 'grpc';
  const kind = isBinary ? 'proto' : 'json';
  const contentType = isGrpc ? `application/grpc+${kind}` : `application/${kind}`;
  const accepted = acceptCompression.map(({ name }) => name).join(',');
  const accept = accepted === '' ? [] : [isGrpc ? 'grpc-accept-encoding' : 'accept-encoding', accepted];
  const input = codecOf(method.input);
  const output = codecOf(method.output);
  const connects = createClientMethodSerializers(method, isBinary, jsonOptions, undefined);
  return {
    method,
    isGrpc,
    contentType,
    route: [
      ...[':method', 'POST', ':scheme', tls === undefined ? 'http' : 'https', ':authority', authority],
      ...[':path', `/${method.parent.typeName}/${method.name}`],
    ],
    protocolHeaders: [
      ...['content-type', contentType],
      ...(isGrpc ? ['te', 'trailers'] : ['connect-protocol-version', '1']),
      ...accept,
    ],
    serialize(message, reservedBytes) {
      let bytes: Uint8Array;
      try {
        bytes = isBinary ? input.encode(message, reservedBytes) : reserved(input.encodeJson(message), reservedBytes);
      } catch {
        // Connect says what is wrong with it.
        bytes = reserved(connects.serialize(message), reservedBytes);
      }
      const length = bytes.byteLength - reservedBytes;
      if (length > writeMaxBytes) {
        const said = `message size ${length} is larger than configured writeMaxBytes ${writeMaxBytes}`;
        throw new ConnectError(said, Code.ResourceExhausted);
      }
      return bytes;
    },
    parse(bytes) {
      try {
        return isBinary ? output.decode(bytes) : output.decodeJson(bytes);
      } catch {
        return connects.parse(bytes);
      }
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
