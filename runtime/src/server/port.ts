/**
 * The one port of a server: a listener, with TLS or without, that hands each connection to HTTP/2, or, where that is asked for,
 * to HTTP/1.1, by what the caller speaks.
 */

import { createServer as createHttp1Server, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { log } from '../log.ts';
import type { Http2Request } from './accept.ts';
import { endWhenIdle } from './idle.ts';
import type { Limits } from './limits.ts';
import type { SessionState } from './session-state.ts';
import { readTls, type ServerTls } from './tls.ts';

/** What a port is opened with. */
export type PortOptions = {
  readonly limits: Limits;
  readonly tls: ServerTls | undefined;
  /** Whether HTTP/1.1 is spoken beside HTTP/2. */
  readonly http1: boolean;
  readonly onHttp2: (request: Http2Request) => void;
  /** Whether calls of a connection are open. */
  readonly hasOpenCalls: (state: SessionState) => boolean;
  readonly onHttp1: (request: IncomingMessage, response: ServerResponse) => void;
};

/** A port. */
export type Port = {
  /** What listens; its 'close' comes once every connection has ended. */
  readonly server: Server;
  /** Takes no more connections, and lets those that are open finish their calls: GOAWAY, or `connection: close`. */
  retire(): void;
  /** Cuts every connection. */
  cut(): void;
};

/** What an HTTP/2 connection begins with (RFC 9113 3.4), as far as is needed to tell it from any method of HTTP/1.1. */
const PREFACE = Buffer.from('PRI * HTTP/2.0');

/** Resets that a caller may send in a burst, and per second after that, before its connection is ended (CVE-2023-44487). */
const RESET_BURST = 1_000;
const RESET_RATE = 33;

/** @throws Error for TLS options that cannot work. */
export function createPort(options: PortOptions): Port {
  const { limits, tls, http1 } = options;
  const http2 = createHttp2Server({
    maxHeaderListPairs: limits.headerMaxCount,
    settings: { maxHeaderListSize: limits.headerMaxBytes, maxConcurrentStreams: limits.maxConcurrentStreams },
    streamResetBurst: RESET_BURST,
    streamResetRate: RESET_RATE,
  });
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  let isRetired = false;

  http2.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    const state: SessionState = { unsentBytes: 0, calls: 0 };
    session.on('stream', (stream, headers, _flags, raw) => options.onHttp2({ stream, headers, raw, session: state }));
    endWhenIdle(session, state, options);
    if (isRetired) {
      // It was accepted just before the drain began.
      session.close();
    }
  });
  // A connection that breaks is its caller's affair; its calls end by their streams' 'close'.
  http2.on('sessionError', ignore);

  const http1Server = createHttp1Server(
    {
      maxHeaderSize: limits.headerMaxBytes,
      headersTimeout: limits.handshakeMaxMs,
      keepAliveTimeout: limits.idleConnectionMs,
      connectionsCheckingInterval: 5_000,
    },
    options.onHttp1,
  );
  // It never listens, and only a server that does watches over slow callers.
  if (http1) {
    http1Server.emit('listening');
  }

  const toHttp2 = (socket: Socket) => {
    socket.setTimeout(0);
    http2.emit('connection', socket);
  };
  const toHttp1 = (socket: Socket) => {
    socket.setTimeout(0);
    if (isRetired) {
      socket.destroy();
    } else {
      http1Server.emit('connection', socket);
      if (tls !== undefined) {
        // Node reads TLS past the stream that it can pause: a request that comes while an earlier answer waits to be read then ends the
        // connection with HPE_PAUSED. A listener for data makes everything go by the stream.
        socket.on('data', ignore);
      }
    }
  };
  const welcome = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', ignore);
    socket.setNoDelay(true);
  };

  let server: Server;
  if (tls !== undefined) {
    const secure = createTlsServer({
      ...readTls(tls),
      ALPNProtocols: http1 ? ['h2', 'http/1.1'] : ['h2'],
      handshakeTimeout: limits.handshakeMaxMs,
    });
    secure.on('connection', welcome);
    secure.on('secureConnection', (socket: TLSSocket) => {
      socket.on('error', ignore);
      if (socket.alpnProtocol === 'h2') {
        toHttp2(socket);
      } else if (http1) {
        toHttp1(socket);
      } else {
        socket.destroy();
      }
    });
    secure.on('tlsClientError', (error, socket) => {
      log.info('a TLS handshake failed', { error: error.message });
      socket.destroy();
    });
    server = secure;
  } else {
    server = createTcpServer((socket) => {
      welcome(socket);
      if (http1) {
        sniff(socket, limits.handshakeMaxMs, { toHttp1, toHttp2 });
      } else {
        toHttp2(socket);
      }
    });
  }
  server.once('close', () => http1Server.close());

  return {
    server,
    retire() {
      isRetired = true;
      server.close();
      for (const session of sessions) {
        // GOAWAY: a call that crosses it on the way was not begun, and its caller may safely repeat it elsewhere.
        session.close();
      }
      http1Server.closeIdleConnections();
    },
    cut() {
      isRetired = true;
      server.close();
      for (const session of sessions) {
        session.destroy();
      }
      for (const socket of sockets) {
        socket.destroy();
      }
    },
  };
}

/** Waits for the first bytes of a connection, and hands it to who speaks that. */
function sniff(
  socket: Socket,
  maxMs: number,
  { toHttp1, toHttp2 }: Readonly<Record<'toHttp1' | 'toHttp2', (socket: Socket) => void>>,
): void {
  let seen = Buffer.alloc(0);
  socket.setTimeout(maxMs, () => socket.destroy());
  const onReadable = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) {
      return;
    }
    seen = Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.byteLength, PREFACE.byteLength);
    const isPreface = seen.subarray(0, compared).equals(PREFACE.subarray(0, compared));
    if (isPreface && compared < PREFACE.byteLength) {
      return;
    }
    socket.off('readable', onReadable);
    socket.removeAllListeners('timeout');
    socket.unshift(seen);
    (isPreface ? toHttp2 : toHttp1)(socket);
  };
  socket.on('readable', onReadable);
}

function ignore(): void {}
