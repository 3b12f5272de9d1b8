/**
 * The pool of connections as connect-node's transports use one: what asks for a stream gets it when there is room.
 */

import type { ClientHttp2Stream, ClientSessionRequestOptions, OutgoingHttpHeaders } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { unsendable } from '../aborted.ts';
import { isSendable } from '../own-headers.ts';
import type { PooledSession } from '../session/pooled-session.ts';
import type { SessionPool, Waiting } from '../session/session-pool.ts';
import { mendStatusMessage } from '../status-message.ts';
import { Attempt } from './attempt.ts';

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
      const sendable = Object.entries(headers).filter(([name]) => isSendable(name));
      const request = {
        ...Object.fromEntries(sendable),
        ':method': method,
        ':path': path,
        ':authority': authority,
      };
      const attempt = Attempt.current();
      return new Promise((resolve, reject) => {
        const waiting: Waiting = {
          begin(session: PooledSession) {
            let stream: ClientHttp2Stream;
            try {
              stream = session.http2.request(request, options);
            } catch (error) {
              // Node judges the headers at once; what is wrong with the connection it tells the stream later.
              reject(unsendable(error));
              return;
            }
            session.opened();
            // It may fail before connect-node listens, which then hears of it when it writes.
            stream.on('error', () => {});
            // Before anybody else reads them.
            stream.once('response', mendStatusMessage);
            stream.once('trailers', mendStatusMessage);
            stream.once('close', () => session.closed());
            attempt?.opened(stream, session);
            resolve(stream);
          },
          refused: (error: ConnectError) => reject(error),
        };
        if (attempt?.wait(pool, waiting) ?? true) {
          pool.begin(waiting);
        } else {
          reject(new ConnectError('the call has ended', Code.Canceled));
        }
      });
    },
    /** The pool looks at connections by itself. */
    notifyResponseByteRead: () => {},
  };
}
