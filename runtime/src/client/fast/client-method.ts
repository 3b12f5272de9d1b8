/**
 * What the fast lane needs to call one unary RPC: its request headers and its codecs, worked out once.
 */

import type { DescMethodUnary, JsonReadOptions, JsonWriteOptions } from '@bufbuild/protobuf';
import { createClientMethodSerializers } from '@connectrpc/connect/protocol';
import { type RpcCodec, rpcCodec } from '../../codec/rpc-codec.ts';
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
  readonly codec: RpcCodec;
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
    codec: rpcCodec({ reads: method.output, writes: method.input, isBinary, writeMaxBytes, connects }),
  };
}
