/**
 * A caller that writes HTTP/2 frame by frame (RFC 9113), so that it can send what no client would: half a frame, a reset without an
 * end, headers that are none. What comes back is read with the load's reader of header blocks.
 */

import { connect, type Socket } from 'node:net';
import { HeaderReader } from '../../bench/load/hpack.ts';

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;
const SETTING_INITIAL_WINDOW = 4;
const HEAD_BYTES = 9;
/** What the server may send before it hears more; no answer in these tests is larger. */
const WINDOW_BYTES = 16 * 1024 * 1024;
const STRING_PREFIX_BITS = 7;

/** A name and a value, as bytes in Latin-1. */
export type Header = readonly [name: string, value: string];

/** What came back on one stream, and how it ended. */
export type FrameAnswer = {
  readonly headers: readonly Header[];
  /** A second block. */
  readonly trailers: readonly Header[] | undefined;
  readonly body: Buffer;
  /** `ended`, `reset` with a code, or why the connection ended. */
  readonly end: string;
};

type OpenStream = {
  headers: Header[] | undefined;
  trailers: Header[] | undefined;
  readonly chunks: Buffer[];
  readonly done: (end: string) => void;
};

/** One frame. */
export function frame(type: number, flags: number, id: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  bytes.set(payload, HEAD_BYTES);
  return bytes;
}

/** A number as the payload of a frame. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A block of headers, each a literal that enters no table, whatever its bytes. */
export function headerBlock(headers: readonly Header[]): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.from([0]), hpackString(name), hpackString(value)]));
}

function hpackString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const most = (1 << STRING_PREFIX_BITS) - 1;
  if (bytes.length < most) {
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  }
  const length = [most];
  let rest = bytes.length - most;
  while (rest > 0x7f) {
    length.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** A connection. */
export class FrameCaller {
  readonly #socket: Socket;
  readonly #isPolite: boolean;
  readonly #reader = new HeaderReader();
  readonly #streams = new Map<number, OpenStream>();
  #nextId = 1;
  #unread: Buffer = Buffer.alloc(0);
  #block: { readonly parts: Buffer[]; readonly endsStream: boolean } | undefined;
  #goaway: string | undefined;
  #closed: string | undefined;
  /** Resolves with why the connection ended. */
  readonly ended: Promise<string>;

  private constructor(socket: Socket, isPolite: boolean) {
    this.#socket = socket;
    this.#isPolite = isPolite;
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.#closed = this.#goaway ?? 'closed';
        for (const { done } of this.#streams.values()) {
          done(this.#closed);
        }
        resolve(this.#closed);
      });
    });
    socket.on('error', () => {});
    // What is written is of no use to a server that has ended its side.
    socket.on('end', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** Dials. @param isPolite whether to begin and to acknowledge as HTTP/2 has it; else nothing is sent by itself. */
  static async open(address: string, isPolite = true): Promise<FrameCaller> {
    const [host = '', port = ''] = address.split(':');
    const socket = connect({ host, port: Number(port), noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const caller = new FrameCaller(socket, isPolite);
    if (isPolite) {
      const settings = Buffer.alloc(6);
      settings.writeUInt16BE(SETTING_INITIAL_WINDOW, 0);
      settings.writeUInt32BE(WINDOW_BYTES, 2);
      caller.write(
        Buffer.concat([
          PREFACE,
          frame(FRAME.settings, 0, 0, settings),
          frame(FRAME.windowUpdate, 0, 0, uint32(WINDOW_BYTES)),
        ]),
      );
    }
    return caller;
  }

  /** Whether nothing can be sent any more. */
  get isClosed(): boolean {
    return this.#closed !== undefined || this.#goaway !== undefined;
  }

  /** Writes bytes as they are. */
  write(bytes: Uint8Array): void {
    if (this.#closed === undefined) {
      this.#socket.write(bytes);
    }
  }

  /** Resolves once what was written has left this process. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed === undefined) {
        this.#socket.write(Buffer.alloc(0), () => resolve());
      } else {
        resolve();
      }
    });
  }

  /** Takes the next stream. */
  stream(): { readonly id: number; readonly answer: Promise<FrameAnswer> } {
    const id = this.#nextId;
    this.#nextId += 2;
    const answer = new Promise<FrameAnswer>((resolve) => {
      const open: OpenStream = {
        headers: undefined,
        trailers: undefined,
        chunks: [],
        done: (end) => {
          this.#streams.delete(id);
          resolve({ headers: open.headers ?? [], trailers: open.trailers, body: Buffer.concat(open.chunks), end });
        },
      };
      this.#streams.set(id, open);
      if (this.#closed !== undefined) {
        open.done(this.#closed);
      }
    });
    return { id, answer };
  }

  /** Makes a whole request, its body in DATA frames as given; none: HEADERS end the stream. */
  call(headers: readonly Header[], body: readonly Uint8Array[]): Promise<FrameAnswer> {
    const { id, answer } = this.stream();
    const isBare = body.length === 0;
    const flags = FLAG.endHeaders | (isBare ? FLAG.endStream : 0);
    const last = body.length - 1;
    this.write(
      Buffer.concat([
        frame(FRAME.headers, flags, id, headerBlock(headers)),
        ...body.map((bytes, index) => frame(FRAME.data, index === last ? FLAG.endStream : 0, id, bytes)),
      ]),
    );
    return answer;
  }

  /** Ends its side, and waits for the server to end the other. */
  hangUp(): Promise<string> {
    this.#socket.end();
    return this.ended;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#unread, chunk]);
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) {
        break;
      }
      const id = bytes.readUInt32BE(at + 5) & 0x7fffffff;
      this.#take(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, id, bytes.subarray(at + HEAD_BYTES, end));
      at = end;
    }
    this.#unread = bytes.subarray(at);
  }

  #take(type: number, flags: number, id: number, payload: Buffer): void {
    const open = this.#streams.get(id);
    switch (type) {
      case FRAME.data:
        open?.chunks.push(payload);
        if ((flags & FLAG.endStream) !== 0) {
          open?.done('ended');
        }
        return;
      case FRAME.headers:
        this.#block = { parts: [payload], endsStream: (flags & FLAG.endStream) !== 0 };
        this.#endBlock(flags, id);
        return;
      case FRAME.continuation:
        this.#block?.parts.push(payload);
        this.#endBlock(flags, id);
        return;
      case FRAME.reset:
        open?.done(`reset ${payload.readUInt32BE(0)}`);
        return;
      case FRAME.settings:
        if (this.#isPolite && (flags & FLAG.ack) === 0) {
          this.write(frame(FRAME.settings, FLAG.ack, 0));
        }
        return;
      case FRAME.ping:
        if (this.#isPolite && (flags & FLAG.ack) === 0) {
          this.write(frame(FRAME.ping, FLAG.ack, 0, payload));
        }
        return;
      case FRAME.goaway:
        this.#goaway = `goaway ${payload.readUInt32BE(4)}`;
        return;
      default:
    }
  }

  #endBlock(flags: number, id: number): void {
    const block = this.#block;
    if (block === undefined || (flags & FLAG.endHeaders) === 0) {
      return;
    }
    this.#block = undefined;
    const headers: Header[] = [];
    // Read for streams that nobody waits for too: the table is the connection's.
    this.#reader.read(Buffer.concat(block.parts), (name, value) => headers.push([name, value]));
    const open = this.#streams.get(id);
    if (open === undefined) {
      return;
    }
    if (open.headers === undefined) {
      open.headers = headers;
    } else {
      open.trailers = headers;
    }
    if (block.endsStream) {
      open.done('ended');
    }
  }
}
