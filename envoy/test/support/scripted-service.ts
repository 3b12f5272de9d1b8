/**
 * A service that does what a test tells it, on bare HTTP/2, so that also what no library would send can be sent. It answers gRPC
 * and Connect JSON, and tells in `saw` which headers reached it. The script is field 1 of the request, or the header `x-script`,
 * with which it answers any RPC of any contract with an empty message.
 */
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import type { Code } from '@connectrpc/connect';
import { codeToHttpStatus, codeToString } from '@connectrpc/connect/protocol-connect';
import { frame, messagesOf, readText, textMessage } from './wire.ts';

/** One request that reached the service. */
export interface Seen {
  readonly path: string;
  readonly script: string;
  readonly headers: IncomingHttpHeaders;
  /** Whether the caller's side gave it up before it was answered. */
  isReset: boolean;
}

const exampleStreams: ReadonlySet<string> = new Set(['/acme.shelf.v1.ShelfService/WatchBooks']);

export class ScriptedService {
  readonly seen: Seen[] = [];
  readonly #server: Http2Server;
  readonly #streams: ReadonlySet<string>;

  private constructor(server: Http2Server, streams: ReadonlySet<string>) {
    this.#server = server;
    this.#streams = streams;
  }

  /** Listens on a Unix socket. `streams` are the paths of the RPCs that are not unary. */
  static async listen(path: string, streams: ReadonlySet<string> = exampleStreams): Promise<ScriptedService> {
    const server = createServer({ maxHeaderListPairs: 1000 });
    const service = new ScriptedService(server, streams);
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
    const body = await collect(stream);
    if (path === '/grpc.health.v1.Health/Check') return reply(stream, Buffer.from([0x08, 0x01]));
    const given = headers['x-script'];
    const script = given === undefined ? scriptIn(body, isJson) : String(given);
    const seen = { path, script, headers, isReset: false };
    this.seen.push(seen);
    stream.on('close', () => {
      seen.isReset = stream.rstCode !== constants.NGHTTP2_NO_ERROR;
    });
    if (this.#streams.has(path.split('?')[0] ?? '')) return answerStream(stream, script, headers);
    const tries = this.withScript(script).length;
    const [verb = '', count = '0', status = '14'] = script.split(':');
    if (verb === 'hang') return;
    if (verb === 'hang-first' && tries <= Number(count)) return;
    if (verb === 'hold') await delay(Number(count));
    if (verb === 'fail-first' && tries <= Number(count)) return fail(stream, isJson, status);
    if (verb === 'fail-after') {
      await delay(Number(count));
      return fail(stream, isJson, status);
    }
    if (verb === 'fail-late') return failLate(stream);
    if (verb === 'refuse-big' && body.length > 4 * 1024 * 1024) return fail(stream, isJson, '8');
    if (verb === 'send-big') return reply(stream, Buffer.alloc(Number(count)));
    const told = given === undefined ? JSON.stringify(headers) : undefined;
    if (isJson) replyJson(stream, told);
    else reply(stream, told === undefined ? Buffer.alloc(0) : textMessage(told));
  }
}

const scriptIn = (body: Buffer, isJson: boolean): string =>
  isJson ? (JSON.parse(body.toString() || '{}').script ?? '') : readText(messagesOf(body)[0]);

/** One message, and the end when `script` is `end`; else silence, or with `beat:100` a message every 100 ms. */
function answerStream(stream: ServerHttp2Stream, script: string, headers: IncomingHttpHeaders): void {
  const [verb, pauseMs] = script.split(':');
  const type = headers['content-type'] ?? 'application/grpc';
  const isConnect = type.startsWith('application/connect');
  const message = script === '' ? textMessage('first') : Buffer.alloc(0);
  const content = isConnect && type.endsWith('json') ? Buffer.from('{}') : message;
  stream.respond({ ':status': 200, 'content-type': type }, { waitForTrailers: !isConnect });
  if (!isConnect) stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.write(frame(content));
  if (verb === 'end') return void stream.end(isConnect ? frame(Buffer.from('{}'), endOfConnectStream) : undefined);
  if (verb !== 'beat') return;
  const beat = setInterval(() => stream.write(frame(content)), Number(pauseMs));
  stream.once('close', () => clearInterval(beat));
}

/** The flag of the envelope that holds a Connect stream's trailers. */
const endOfConnectStream = 2;

function reply(stream: ServerHttp2Stream, message: Buffer): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(frame(message));
}

function replyJson(stream: ServerHttp2Stream, saw: string | undefined): void {
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  stream.end(JSON.stringify({ saw }));
}

/** A failure as it can be retried: trailers-only, or Connect's HTTP status. */
function fail(stream: ServerHttp2Stream, isJson: boolean, status: string): void {
  if (isJson) {
    const code = Number(status) as Code;
    stream.respond({ ':status': codeToHttpStatus(code), 'content-type': 'application/json' });
    stream.end(JSON.stringify({ code: codeToString(code), message: 'scripted' }));
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
