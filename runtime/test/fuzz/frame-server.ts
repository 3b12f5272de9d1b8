/**
 * A server that answers frame by frame, as badly as it is told to: what clients must bear.
 */

import { createServer, type Server, type Socket } from 'node:net';
import { FLAG, FRAME, frame, type Header, headerBlock, PREFACE, uint32 } from './frames.ts';

const HEAD_BYTES = 9;

/** A request that is complete, and the means to answer it. */
export type Asked = {
  readonly id: number;
  readonly body: Buffer;
  /** Writes bytes as they are. */
  write(bytes: Uint8Array): void;
  headers(headers: readonly Header[], isLast?: boolean): void;
  data(bytes: Uint8Array, isLast?: boolean): void;
  reset(code: number): void;
  /** Ends the connection at once. */
  cut(): void;
};

export type Answerer = (asked: Asked) => void;

/** A server; set `answer` to say how it answers, `greet` to say what it does with a new connection. */
export class FrameServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  answer: Answerer = () => {};
  /** Writes what a connection begins with; whether it is then answered as HTTP/2. */
  greet: (write: (bytes: Uint8Array) => void, cut: () => void) => boolean = FrameServer.polite;

  /** As HTTP/2 has it. */
  static polite(write: (bytes: Uint8Array) => void): boolean {
    write(frame(FRAME.settings, 0, 0));
    return true;
  }

  private constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => this.#take(socket));
  }

  static async listen(): Promise<FrameServer> {
    const server = new FrameServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get address(): string {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : '';
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    const write = (bytes: Uint8Array) => void (socket.destroyed || socket.write(bytes));
    const isAnswered = this.greet(write, () => socket.destroy());
    const bodies = new Map<number, Buffer[]>();
    let unread = Buffer.alloc(0);
    let hasPreface = false;
    socket.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk]);
      if (!hasPreface) {
        if (unread.length < PREFACE.length) {
          return;
        }
        hasPreface = true;
        unread = unread.subarray(PREFACE.length);
      }
      let at = 0;
      while (isAnswered && unread.length - at >= HEAD_BYTES) {
        const end = at + HEAD_BYTES + unread.readUIntBE(at, 3);
        if (end > unread.length) {
          break;
        }
        const id = unread.readUInt32BE(at + 5) & 0x7fffffff;
        this.#frame(unread[at + 3] ?? 0, unread[at + 4] ?? 0, id, unread.subarray(at + HEAD_BYTES, end), {
          bodies,
          write,
          socket,
        });
        at = end;
      }
      unread = unread.subarray(at);
    });
  }

  #frame(
    type: number,
    flags: number,
    id: number,
    payload: Buffer,
    { bodies, write, socket }: { bodies: Map<number, Buffer[]>; write: (bytes: Uint8Array) => void; socket: Socket },
  ): void {
    if (type === FRAME.settings && (flags & FLAG.ack) === 0) {
      write(frame(FRAME.settings, FLAG.ack, 0));
    } else if (type === FRAME.ping && (flags & FLAG.ack) === 0) {
      write(frame(FRAME.ping, FLAG.ack, 0, payload));
    } else if (type === FRAME.headers) {
      bodies.set(id, []);
    } else if (type === FRAME.data) {
      bodies.get(id)?.push(payload);
    }
    const body = bodies.get(id);
    if ((type === FRAME.headers || type === FRAME.data) && (flags & FLAG.endStream) !== 0 && body !== undefined) {
      bodies.delete(id);
      this.answer({
        id,
        body: Buffer.concat(body),
        write,
        headers: (headers, isLast = false) =>
          write(frame(FRAME.headers, FLAG.endHeaders | (isLast ? FLAG.endStream : 0), id, headerBlock(headers))),
        data: (bytes, isLast = false) => write(frame(FRAME.data, isLast ? FLAG.endStream : 0, id, bytes)),
        reset: (code) => write(frame(FRAME.reset, 0, id, uint32(code))),
        cut: () => socket.destroy(),
      });
    }
  }
}
