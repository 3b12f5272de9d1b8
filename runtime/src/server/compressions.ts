/**
 * What a server reads and writes beside bytes as they are: gzip and brotli, by connect-node. What cannot be decompressed is the caller's
 * fault here, where connect-node calls some of it the server's.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';

/** In the order in which callers are told of them. */
export const COMPRESSIONS: readonly Compression[] = [compressionGzip, compressionBrotli].map((compression) => ({
  ...compression,
  decompress: (bytes: Uint8Array, readMaxBytes: number) =>
    compression.decompress(bytes, readMaxBytes).catch((error: unknown) => {
      throw error instanceof ConnectError && error.code === Code.Internal
        ? new ConnectError(error.rawMessage, Code.InvalidArgument, undefined, undefined, error)
        : error;
    }),
}));
