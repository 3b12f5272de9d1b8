/**
 * The server that every client of a comparison calls, with answers that are encoded before the clock starts. It finds the
 * answer by the request's id, which stands at the same place in each request, and decodes nothing; blobs come back as they
 * are. It costs far less than the clients, so that these are busy.
 */

import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { ServerCommands } from '../server/handlers.ts';
import { prepare } from './calls.ts';
import { Frames, PREFACE } from './frames.ts';
import { HeaderReader, headerBlock } from './hpack.ts';

/** Which streams it can be asked for, by messages a stream. */
export type AnswererOptions = { readonly updates?: number };

const GRPC_HEAD = headerBlock([':status', '200', 'content-type', 'application/grpc+proto']);
const JSON_HEAD = headerBlock([':status', '200', 'content-type', 'application/json']);
const OK_TRAILERS = headerBlock(['grpc-status', '0']);
/** Before the id in a body: the envelope, the field's tag and its length; or `{"requestId":"`. */
const ID_AT = { grpc: 7, json: 14 } as const;
const ID_CHARACTERS = 31;

type Request = { path: string; contentType: string; readonly chunks: Buffer[] };
type Answers = (request: Request) => readonly Buffer[];

export async function start({ updates = 0 }: AnswererOptions): Promise<ServerCommands> {
  const grpc = answersById(ID_AT.grpc, prepare({ protocol: 'grpc', rpc: 'PlaceOrder' }, ''));
  const json = answersById(ID_AT.json, prepare({ protocol: 'connect-json', rpc: 'PlaceOrder' }, ''));
  const watched = answersById(ID_AT.grpc, prepare({ protocol: 'grpc', rpc: 'WatchOrder', updates }, ''));
  const server = createServer({ noDelay: true }, (socket) =>
    serve(socket, ({ path, contentType, chunks }) => {
      if (path.endsWith('/EchoBlob')) {
        return chunks;
      }
      const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
      if (contentType === 'application/json') {
        return json(body);
      }
      return path.endsWith('/WatchOrder') ? watched(body) : grpc(body);
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { address: () => `127.0.0.1:${port}` };
}

function answersById(at: number, { bodies, answers }: Pick<ReturnType<typeof prepare>, 'bodies' | 'answers'>) {
  const idOf = (body: Buffer): string => body.toString('latin1', at, at + ID_CHARACTERS);
  const byId = new Map(bodies.map((body, index) => [idOf(body), answers[index] ?? []]));
  return (body: Buffer): readonly Buffer[] => byId.get(idOf(body)) ?? [];
}

/** Answers the requests of a connection, whose first bytes say that it is HTTP/2. */
function serve(socket: Socket, answersTo: Answers): void {
  socket.on('error', () => {});
  socket.once('readable', () => {
    const preface: Buffer | null = socket.read(PREFACE.length);
    if (preface === null || !preface.equals(PREFACE)) {
      socket.destroy();
      return;
    }
    const reader = new HeaderReader();
    const requests = new Map<number, Request>();
    const end = (id: number): void => {
      const request = requests.get(id);
      requests.delete(id);
      if (request !== undefined) {
        const isJson = request.contentType === 'application/json';
        frames.sendHeaders(id, isJson ? JSON_HEAD : GRPC_HEAD);
        frames.sendBody({ id, parts: answersTo(request), trailers: isJson ? undefined : OK_TRAILERS });
      }
    };
    const frames = new Frames(socket, 'server', {
      headers(id, block, endsStream) {
        const request: Request = { path: '', contentType: '', chunks: [] };
        reader.read(block, (name, value) => {
          if (name === ':path') {
            request.path = value;
          } else if (name === 'content-type') {
            request.contentType = value;
          }
        });
        frames.open(id);
        requests.set(id, request);
        if (endsStream) {
          end(id);
        }
      },
      data(id, bytes, endsStream) {
        if (bytes.length > 0) {
          requests.get(id)?.chunks.push(bytes);
        }
        if (endsStream) {
          end(id);
        }
      },
      reset: (id) => void requests.delete(id),
      failed: () => requests.clear(),
    });
  });
}
