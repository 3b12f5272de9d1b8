/**
 * The server that every client of a comparison calls: bare node:http2, with answers that are encoded before the clock starts.
 * It finds the answer by the request's id, which stands at the same place in each request, and decodes nothing.
 */

import { createServer, type ServerHttp2Stream } from 'node:http2';
import { listenAnywhere, type ServerCommands } from '../server/handlers.ts';
import { prepare } from './calls.ts';

/** Which streams it can be asked for, by messages a stream. */
export type AnswererOptions = { readonly updates?: number };

const GRPC_HEADERS = [':status', '200', 'content-type', 'application/grpc+proto'];
const OK_TRAILERS = { 'grpc-status': '0' };
/** Before the id in a body: the envelope, the field's tag and its length; or `{"requestId":"`. */
const ID_AT = { grpc: 7, json: 14 } as const;
const ID_CHARACTERS = 31;

export async function start({ updates = 0 }: AnswererOptions): Promise<ServerCommands> {
  const grpc = answersById(ID_AT.grpc, prepare({ protocol: 'grpc', rpc: 'PlaceOrder' }, ''));
  const json = answersById(ID_AT.json, prepare({ protocol: 'connect-json', rpc: 'PlaceOrder' }, ''));
  const watched = answersById(ID_AT.grpc, prepare({ protocol: 'grpc', rpc: 'WatchOrder', updates }, ''));
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      if (headers['content-type'] === 'application/json') {
        const answer = json(body);
        stream.respond([':status', '200', 'content-type', 'application/json']);
        stream.end(answer?.[0]);
        return;
      }
      stream.respond(GRPC_HEADERS, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(OK_TRAILERS));
      const path = headers[':path'] ?? '';
      if (path.endsWith('/EchoBlob')) {
        stream.end(body);
        return;
      }
      writeAll(stream, (path.endsWith('/WatchOrder') ? watched(body) : grpc(body)) ?? []);
    });
  });
  const address = await listenAnywhere(server);
  return { address: () => address };
}

function writeAll(stream: ServerHttp2Stream, messages: readonly Buffer[]): void {
  let next = 0;
  const write = (): void => {
    while (next < messages.length - 1) {
      const goOn = stream.write(messages[next]);
      next += 1;
      if (!goOn) {
        stream.once('drain', write);
        return;
      }
    }
    stream.end(messages[next]);
  };
  write();
}

function answersById(at: number, { bodies, answers }: Pick<ReturnType<typeof prepare>, 'bodies' | 'answers'>) {
  const idOf = (body: Buffer): string => body.toString('latin1', at, at + ID_CHARACTERS);
  const byId = new Map(bodies.map((body, index) => [idOf(body), answers[index]]));
  return (body: Buffer | undefined) => (body === undefined ? undefined : byId.get(idOf(body)));
}
