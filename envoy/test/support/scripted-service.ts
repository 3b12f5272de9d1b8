/**
 * A service that does what a test tells it, on bare HTTP/2, so that also what no library would send can be sent. It answers gRPC
 * and Connect JSON, and tells in `saw` which headers reached it.
 */
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { frame, messagesOf, readText, textMessage } from './wire.ts';

/** One request that reached the service. */
export interface Seen {
  readonly path: string;
  readonly script: string;
  readonly headers: IncomingHttpHeaders;
}

export class ScriptedService {
  readonly seen: Seen[] = [];
  #server: Http2Server;

  private constructor(server: Http2Server) {
    this.#server = server;
  }

  /** Listens on a Unix socket. */
  static async listen(path: string): Promise<ScriptedService> {
    const server = createServer();
    const service = new ScriptedService(server);
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      stream.on('error', () => {}); // A reset by the other side is what many tests cause.
      service.#answer(stream, headers).catch(() => stream.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    return service;
  }

  /** Requests with this script, in the order of their arrival. */
  withScript(script: string): Seen[] {
    return this.seen.filter((seen) => seen.script === script);
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const path = headers[':path'] ?? '';
    const isJson = headers['content-type'] === 'application/json';
    if (path.endsWith('/WatchBooks')) return this.#watch(stream, path, headers);
    const body = await collect(stream);
    const script = isJson ? (JSON.parse(body.toString() || '{}').script ?? '') : readText(messagesOf(body)[0]);
    if (path === '/grpc.health.v1.Health/Check') return reply(stream, Buffer.from([0x08, 0x01]));
    this.seen.push({ path, script, headers });
    const tries = this.withScript(script).length;
    const [verb = '', count = '0', status = '14'] = script.split(':');
    if (verb === 'hang') return;
    if (verb === 'hang-first' && tries <= Number(count)) return;
    if (verb === 'hold') await delay(Number(count));
    if (verb === 'fail-first' && tries <= Number(count)) return fail(stream, isJson, status);
    if (verb === 'fail-late') return failLate(stream);
    if (verb === 'refuse-big' && body.length > 4 * 1024 * 1024) return fail(stream, isJson, '8');
    if (isJson) replyJson(stream, JSON.stringify(headers));
    else reply(stream, textMessage(JSON.stringify(headers)));
  }

  /** Sends one message and is silent from then on. */
  #watch(stream: ServerHttp2Stream, path: string, headers: IncomingHttpHeaders): void {
    this.seen.push({ path, script: '', headers });
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(frame(textMessage('first')));
  }
}

function reply(stream: ServerHttp2Stream, message: Buffer): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(frame(message));
}

function replyJson(stream: ServerHttp2Stream, saw: string): void {
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  stream.end(JSON.stringify({ saw }));
}

/** A failure as it can be retried: trailers-only, or (UNAVAILABLE only) Connect's 503. */
function fail(stream: ServerHttp2Stream, isJson: boolean, status: string): void {
  if (isJson) {
    stream.respond({ ':status': 503, 'content-type': 'application/json' });
    stream.end(JSON.stringify({ code: 'unavailable', message: 'scripted' }));
    return;
  }
  const headers = {
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-status': status,
    'grpc-message': 'scripted',
  };
  stream.respond(headers, { endStream: true });
}

/** UNAVAILABLE in trailers after headers, which nothing can retry. */
function failLate(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '14', 'grpc-message': 'late' }));
  stream.end();
}

async function collect(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
