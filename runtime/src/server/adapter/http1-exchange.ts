/**
 * A request over HTTP/1.1. What was not read of it is read before the connection is used again, or the next request on it
 * would be reset.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { drainedOrClosed, type Exchange } from './exchange.ts';
import { discardRest } from './request-body.ts';

/** The exchange of a request. */
export function http1Exchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const begin: Exchange['begin'] = (status, headers, trailers) => {
    response.writeHead(status, headers);
    if (trailers !== undefined) {
      wantTrailers = trailers;
    }
  };
  let wantTrailers: Parameters<Exchange['begin']>[2];
  return {
    httpVersion: '1.1',
    headers: { ...request.headers, ':method': request.method, ':path': request.url },
    body: request,
    get isGone() {
      return response.destroyed || response.closed;
    },
    begin,
    beginAndEnd(status, headers) {
      response.writeHead(status, headers);
      response.end();
    },
    write: (chunk) => response.write(chunk),
    drained: () => drainedOrClosed(response),
    end() {
      if (wantTrailers !== undefined) {
        response.addTrailers(wantTrailers());
      }
      response.end();
    },
    abandon() {
      request.destroy();
    },
    discard: () => discardRest(request, () => request.destroy()),
    onClose: (listener) => void response.once('close', listener),
  };
}
