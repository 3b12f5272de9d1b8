/**
 * The pool of connections as connect-node's transports use one: what asks for a stream gets it when there is room.
 */

import type { ClientHttp2Stream, ClientSessionRequestOptions, OutgoingHttpHeaders } from 'node:http2';
import type { ConnectError } from '@connectrpc/connect';
import type { PooledSession } from '../session/pooled-session.ts';
import type { SessionPool, Waiting } from '../session/session-pool.ts';

/** A view of a pool from which every request names `authority`. */
export function sessionsOf(pool: SessionPool, authority: string, isTls: boolean) {
  return {
    authority: `${isTls ? 'https' : 'http'}://${authority}`,
    request(
      method: string,
      path: string,
      headers: OutgoingHttpHeaders,
      options: ClientSessionRequestOptions,
    ): Promise<ClientHttp2Stream> {
      const request = { ...headers, ':method': method, ':path': path, ':authority': authority };
      return new Promise((resolve, reject) => {
        const waiting: Waiting = {
          begin(session: PooledSession) {
            let stream: ClientHttp2Stream;
            try {
              stream = session.http2.request(request, options);
            } catch {
              // It is on its way out and has not said so yet; the call was not sent.
              session.retire();
              pool.begin(waiting);
              return;
            }
            session.opened();
            stream.once('close', () => session.closed());
            resolve(stream);
          },
          refused: (error: ConnectError) => reject(error),
        };
        pool.begin(waiting);
      });
    },
    /** The pool looks at connections by itself. */
    notifyResponseByteRead: () => {},
  };
}
