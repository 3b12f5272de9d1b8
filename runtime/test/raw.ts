/**
 * gRPC by hand over node:http2, for tests of what goes over the wire and of callers that misbehave.
 */

import { connect, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { EchoRequestSchema } from './echo.ts';

const RESPONSE_END_STREAM = 1;

/** What a server answered. */
export type RawAnswer = {
  readonly headers: IncomingHttpHeaders | undefined;
  /** Whether the first HEADERS frame ended the stream: trailers-only. */
  readonly endedByHeaders: boolean;
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly body: Buffer;
  readonly rstCode: number | undefined;
};

/** An enveloped EchoRequest. */
export function envelope(request: { text?: string; count?: number }): Uint8Array {
  return encodeEnvelope(0, toBinary(EchoRequestSchema, create(EchoRequestSchema, request)));
}

/** Opens a connection to a test's server. */
export function rawConnect(address: string) {
  const session = connect(`http://${address}`);
  session.on('error', () => {});

  /** Opens a request and leaves it open. */
  function open(rpc: string, headers: OutgoingHttpHeaders = {}) {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/weft.test.v1.EchoService/${rpc}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    stream.on('error', () => {});
    const answer = new Promise<RawAnswer>((resolve) => {
      const chunks: Buffer[] = [];
      let received: IncomingHttpHeaders | undefined;
      let endedByHeaders = false;
      let trailers: IncomingHttpHeaders | undefined;
      stream.on('response', (responseHeaders, flags) => {
        received = responseHeaders;
        endedByHeaders = (flags & constants.NGHTTP2_FLAG_END_STREAM) === RESPONSE_END_STREAM;
      });
      stream.on('trailers', (trailing) => {
        trailers = trailing;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('close', () =>
        resolve({ headers: received, endedByHeaders, trailers, body: Buffer.concat(chunks), rstCode: stream.rstCode }),
      );
    });
    return { stream, answer };
  }

  return {
    session,
    open,
    /** Sends a whole request body. */
    call(rpc: string, body: Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<RawAnswer> {
      const { stream, answer } = open(rpc, headers);
      stream.end(body);
      return answer;
    },
    close: () => session.destroy(),
  };
}
