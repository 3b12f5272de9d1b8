/**
 * Serves the built page: files with caching and security headers, `/config.json` with the edge's address, and index.html
 * for every path that the page routes itself. Run by `node web/server.ts`, on a developer's machine and in the image alike.
 *
 * - `WEFT_WEB_LISTEN`: `host:port`, default `127.0.0.1:5173`; port 0 takes a free one.
 * - `WEFT_EDGE_URL`: where browsers reach the edge, default `http://127.0.0.1:8080`.
 */

import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import sirv from 'sirv';

/** What the server is told. */
export type WebServerOptions = {
  /** Address to listen on, such as `127.0.0.1`. */
  readonly host: string;
  /** TCP port, 0 to 65535; 0 takes a free one. */
  readonly port: number;
  /** Origin under which browsers reach the edge, such as `http://127.0.0.1:8080`. */
  readonly edgeUrl: string;
  /** Folder of the built page. Default: `dist` beside this file. */
  readonly dist?: string;
};

/** Vite names these files by their contents, so that they never change. */
const IMMUTABLE = /^\/assets\//;

/** Longest time that open requests get when the server stops, in milliseconds. */
const DRAIN_MS = 2_000;

/**
 * Starts the server; resolves once it listens.
 *
 * @throws Error when the page was not built, the edge's URL is none, or the port is taken.
 */
export async function serveWeb(options: WebServerOptions): Promise<{ url: string; stop(): Promise<void> }> {
  const { host, port } = options;
  const dist = options.dist ?? join(import.meta.dirname, 'dist');
  if (!existsSync(join(dist, 'index.html'))) {
    throw new Error('The page is not built: run `npm run build -w @weft/web` first.');
  }
  const edgeUrl = originOf(options.edgeUrl);
  const headers = securityHeaders(edgeUrl);
  const files = sirv(dist, {
    etag: true,
    setHeaders: (response, path) =>
      response.setHeader('cache-control', IMMUTABLE.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache'),
  });

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    for (const [name, value] of headers) {
      response.setHeader(name, value);
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (path === '/config.json') {
      const body = JSON.stringify({ edgeUrl });
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : body);
      return;
    }
    files(request, response, () => {
      if (!request.headers.accept?.includes('text/html') || IMMUTABLE.test(path)) {
        response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('Not found\n');
        return;
      }
      request.url = '/index.html';
      // sirv keeps what it parsed of the first URL on the request; the page's own routes need it parsed anew.
      delete (request as { _parsedUrl?: unknown })._parsedUrl;
      files(request, response, () => {
        response.writeHead(500).end();
      });
    });
  };

  const server = createServer(answer);
  await listen(server, host, port);
  const { port: actualPort } = server.address() as AddressInfo;
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`, stop: () => stop(server) };
}

/** Scripts and styles from here only, calls to here and the edge only, and nobody may frame the page. */
function securityHeaders(edgeUrl: string): ReadonlyMap<string, string> {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src 'self' ${edgeUrl}`,
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ];
  return new Map([
    ['content-security-policy', policy.join('; ')],
    ['x-content-type-options', 'nosniff'],
    ['referrer-policy', 'no-referrer'],
    ['cross-origin-opener-policy', 'same-origin'],
    ['permissions-policy', 'camera=(), geolocation=(), microphone=(), payment=()'],
  ]);
}

function originOf(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Error(`WEFT_EDGE_URL is "${text}": set it to an http(s) origin such as http://127.0.0.1:8080`);
  }
  return url.origin;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    server.close(() => {
      clearTimeout(deadline);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function readListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new Error(`WEFT_WEB_LISTEN is "${text}": set it to <host>:<port>, such as 127.0.0.1:5173`);
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

function log(level: 'info' | 'error', message: string, fields: Readonly<Record<string, string>> = {}): void {
  process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), level, workload: 'web', message, ...fields })}\n`,
  );
}

if (import.meta.main) {
  try {
    const { host, port } = readListen(process.env.WEFT_WEB_LISTEN || '127.0.0.1:5173');
    const edgeUrl = process.env.WEFT_EDGE_URL || 'http://127.0.0.1:8080';
    const web = await serveWeb({ host, port, edgeUrl });
    log('info', 'listening', { url: web.url, edgeUrl });
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        void web.stop().then(() => log('info', 'stopped'));
      });
    }
  } catch (error) {
    log('error', error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
