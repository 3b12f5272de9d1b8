/**
 * A request over HTTP/2, on the core stream API.
 */

import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { HEADERS_ONLY, WITH_TRAILERS, WITHOUT_TRAILERS } from '../outgoing-headers.ts';
import type { SessionState } from '../session-state.ts';
import { drainedOrClosed, type Exchange } from './exchange.ts';
import { discard } from './request-body.ts';

/** The exchange of a stream. */
export function http2Exchange(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  session: SessionState,
): Exchange {
  let unsentBytes = 0;
  stream.once('close', () => {
    session.unsentBytes -= unsentBytes;
  });
  return {
    httpVersion: '2.0',
    headers,
    body: stream,
    get isGone() {
      return stream.closed || stream.destroyed;
    },
    begin(status, answerHeaders, trailers) {
      stream.respond(
        { ...answerHeaders, ':status': status },
        trailers === undefined ? WITHOUT_TRAILERS : WITH_TRAILERS,
      );
      if (trailers !== undefined) {
        stream.once('wantTrailers', () => stream.sendTrailers(trailers()));
      }
    },
    beginAndEnd(status, answerHeaders) {
      stream.respond({ ...answerHeaders, ':status': status }, HEADERS_ONLY);
    },
    write(chunk) {
      const isWanted = stream.write(chunk);
      session.unsentBytes += stream.writableLength - unsentBytes;
      unsentBytes = stream.writableLength;
      return isWanted;
    },
    drained: () => drainedOrClosed(stream),
    end: () => void stream.end(),
    abandon(why) {
      if (!stream.closed && !stream.destroyed) {
        stream.close(why === 'cancelled' ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_INTERNAL_ERROR);
      }
    },
    discard: () => discard(stream),
    onClose: (listener) => void stream.once('close', listener),
  };
}
