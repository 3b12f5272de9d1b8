/**
 * One request over node:http2, and all that came back of it, header by header as it came.
 */

import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { WireRequest } from './dialect.ts';

/** Names and values of headers in turn. */
export type RawHeaders = readonly string[];

/** What came back. */
export type WireAnswer = {
  readonly headers: RawHeaders | undefined;
  /** Whether the first HEADERS frame ended the stream. */
  readonly endedByHeaders: boolean;
  readonly trailers: RawHeaders | undefined;
  readonly body: Buffer;
  readonly rstCode: number;
};

/** A caller's own conduct, for callers that do not simply send and wait. */
export type Conduct = (stream: ClientHttp2Stream, body: readonly Uint8Array[]) => void;

/** Sends everything at once. */
const sendAll: Conduct = (stream, body) => {
  for (const piece of body.slice(0, -1)) {
    stream.write(piece);
  }
  stream.end(body.at(-1));
};

/** Opens a connection. */
export async function dialWire(address: string): Promise<ClientHttp2Session> {
  const session = connect(`http://${address}`);
  session.on('error', () => {});
  await new Promise<void>((resolve) => {
    session.once('remoteSettings', () => resolve());
    session.once('close', () => resolve());
  });
  return session;
}

/** Makes a request. Resolves when its stream is closed. */
export function request(
  session: ClientHttp2Session,
  { headers, body }: WireRequest,
  conduct: Conduct = sendAll,
): Promise<WireAnswer> {
  const stream = session.request(headers, { endStream: conduct === sendAll && body.length === 0 });
  stream.on('error', () => {});
  const answer = new Promise<WireAnswer>((resolve) => {
    const chunks: Buffer[] = [];
    let received: RawHeaders | undefined;
    let endedByHeaders = false;
    let trailers: RawHeaders | undefined;
    stream.on('response', (_headers, flags, raw) => {
      received = raw;
      endedByHeaders = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    });
    // Node's types know of the third argument for 'response' only.
    stream.on('trailers', (...given: unknown[]) => {
      trailers = given[2] as RawHeaders;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('close', () =>
      resolve({
        headers: received,
        endedByHeaders,
        trailers,
        body: Buffer.concat(chunks),
        rstCode: stream.rstCode ?? constants.NGHTTP2_NO_ERROR,
      }),
    );
  });
  if (conduct !== sendAll || body.length > 0) {
    conduct(stream, body);
  }
  return answer;
}
