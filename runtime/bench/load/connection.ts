/**
 * One HTTP/2 connection of the load, in frames (RFC 9113) over a socket: it costs a fraction of what a node:http2 client
 * does, so that a server has a core to itself and is busy, however fast it is. It keeps to flow control in both directions.
 */

import { connect, type Socket } from 'node:net';
import { AnswerHeaders, type RequestBlocks } from './hpack.ts';

/** What came back. */
export type Answer = {
  httpStatus: string;
  /** Empty where there was none. */
  grpcStatus: string;
  bytes: number;
  /** The body, where it was asked for. */
  readonly chunks: Buffer[] | undefined;
  /** Why there is no whole answer. */
  failure: string | undefined;
};

type Stream = { readonly answer: Answer; readonly done: (answer: Answer) => void; windowBytes: number };
type Call = { readonly body: Buffer; readonly answer: Answer; readonly done: (answer: Answer) => void };
type Waiting = { readonly id: number; rest: Buffer };

const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 };
const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 };
const SETTING = { enablePush: 2, maxStreams: 3, initialWindow: 4 };
const HEAD_BYTES = 9;
const FRAME_MAX_BYTES = 16_384;
const DEFAULT_WINDOW_BYTES = 65_535;
/** What a server may send before it hears more: of a stream more than any answer has, of the connection enough for all. */
const STREAM_WINDOW_BYTES = 64 * 1_024 * 1_024;
const CONNECTION_WINDOW_BYTES = 1_024 * 1_024 * 1_024;

export class Connection {
  readonly #socket: Socket;
  readonly #blocks: RequestBlocks;
  readonly #streams = new Map<number, Stream>();
  readonly #headers = new AnswerHeaders();
  /** Calls that wait until the server takes another. */
  readonly #queue: Call[] = [];
  #maxStreams = Number.POSITIVE_INFINITY;
  /** Bodies that wait for the server to open a window. */
  #waiting: Waiting[] = [];
  #nextId = 1;
  #windowBytes = DEFAULT_WINDOW_BYTES;
  #streamWindowBytes = DEFAULT_WINDOW_BYTES;
  #unacknowledgedBytes = 0;
  #outgoing: Buffer[] = [];
  #unread: Buffer | undefined;
  #blockParts: Buffer[] = [];
  #failure: string | undefined;

  private constructor(socket: Socket, blocks: RequestBlocks) {
    this.#socket = socket;
    this.#blocks = blocks;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => this.#fail('the connection was closed'));
    this.#write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'));
    const settings = Buffer.alloc(12);
    settings.writeUInt16BE(SETTING.enablePush, 0);
    settings.writeUInt16BE(SETTING.initialWindow, 6);
    settings.writeUInt32BE(STREAM_WINDOW_BYTES, 8);
    this.#write(frame(FRAME.settings, 0, 0, settings));
    this.#write(windowUpdate(CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES));
  }

  /** Dials `host:port`; requests will have these headers in turn. */
  static async open(address: string, blocks: RequestBlocks): Promise<Connection> {
    const [host = '', port = ''] = address.split(':');
    const socket = connect({ host, port: Number(port), noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Connection(socket, blocks);
  }

  /** Why no call can be made any more. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Sends a request; what is sent in one turn of the event loop leaves in one piece. */
  send(body: Buffer, keepsBody: boolean, done: (answer: Answer) => void): void {
    const answer: Answer = {
      httpStatus: '',
      grpcStatus: '',
      bytes: 0,
      chunks: keepsBody ? [] : undefined,
      failure: this.#failure,
    };
    if (this.#failure !== undefined) {
      done(answer);
    } else if (this.#streams.size >= this.#maxStreams) {
      this.#queue.push({ body, answer, done });
    } else {
      this.#begin({ body, answer, done });
    }
  }

  #begin({ body, answer, done }: Call): void {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#streams.set(id, { answer, done, windowBytes: this.#streamWindowBytes });
    this.#write(frame(FRAME.headers, FLAG.endHeaders, id, this.#headersOf(id)));
    const waiting = { id, rest: body };
    if (this.#waiting.length > 0 || this.#windowBytes <= 0 || !this.#sendBody(waiting)) {
      this.#waiting.push(waiting);
    }
  }

  #headersOf(id: number): Buffer {
    const { first, later } = this.#blocks;
    return id === 1 ? first : (later[((id - 1) / 2) % later.length] ?? first);
  }

  /** Ends the connection; open calls fail. */
  close(): void {
    this.#socket.destroy();
  }

  #write(bytes: Buffer): void {
    if (this.#outgoing.push(bytes) === 1) {
      process.nextTick(() => {
        const all = this.#outgoing;
        this.#outgoing = [];
        this.#socket.write(all.length === 1 && all[0] !== undefined ? all[0] : Buffer.concat(all));
      });
    }
  }

  /** In order while the connection's window lasts; a body whose own stream is blocked lets the others pass. */
  #sendBodies(): void {
    const blocked: Waiting[] = [];
    let taken = 0;
    for (const waiting of this.#waiting) {
      if (this.#windowBytes <= 0) {
        break;
      }
      taken += 1;
      if (!this.#sendBody(waiting)) {
        blocked.push(waiting);
      }
    }
    if (taken > 0) {
      this.#waiting = [...blocked, ...this.#waiting.slice(taken)];
    }
  }

  /** Sends as much of a body as both windows let through; whether that was all. */
  #sendBody(waiting: Waiting): boolean {
    const stream = this.#streams.get(waiting.id);
    if (stream === undefined) {
      return true;
    }
    for (;;) {
      const bytes = Math.min(waiting.rest.length, FRAME_MAX_BYTES, this.#windowBytes, stream.windowBytes);
      if (bytes <= 0 && waiting.rest.length > 0) {
        return false;
      }
      const isLast = bytes === waiting.rest.length;
      this.#write(frame(FRAME.data, isLast ? FLAG.endStream : 0, waiting.id, waiting.rest.subarray(0, bytes)));
      this.#windowBytes -= bytes;
      stream.windowBytes -= bytes;
      waiting.rest = waiting.rest.subarray(bytes);
      if (isLast) {
        return true;
      }
    }
  }

  #read(chunk: Buffer): void {
    const bytes = this.#unread === undefined ? chunk : Buffer.concat([this.#unread, chunk]);
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
    this.#unread = at === bytes.length ? undefined : bytes.subarray(at);
  }

  #take(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case FRAME.data:
        this.#takeData(flags, id, payload);
        return;
      case FRAME.headers:
      case FRAME.continuation:
        this.#takeHeaders(type, flags, id, payload);
        return;
      case FRAME.reset:
        this.#end(id, `the stream was reset: ${payload.readUInt32BE(0)}`);
        return;
      case FRAME.settings:
        this.#takeSettings(flags, payload);
        return;
      case FRAME.ping:
        if ((flags & FLAG.ack) === 0) {
          this.#write(frame(FRAME.ping, FLAG.ack, 0, payload));
        }
        return;
      case FRAME.goaway:
        this.#fail(`the server went away: ${payload.readUInt32BE(4)}`);
        return;
      case FRAME.windowUpdate:
        this.#takeWindow(id, payload.readUInt32BE(0));
        return;
      default:
    }
  }

  #takeData(flags: number, id: number, payload: Buffer): void {
    const stream = this.#streams.get(id);
    this.#unacknowledgedBytes += payload.length;
    if (this.#unacknowledgedBytes > CONNECTION_WINDOW_BYTES / 2) {
      this.#write(windowUpdate(this.#unacknowledgedBytes));
      this.#unacknowledgedBytes = 0;
    }
    if (stream !== undefined) {
      const body = (flags & FLAG.padded) === 0 ? payload : payload.subarray(1, payload.length - (payload[0] ?? 0));
      stream.answer.bytes += body.length;
      stream.answer.chunks?.push(body);
    }
    if ((flags & FLAG.endStream) !== 0) {
      this.#end(id, undefined);
    }
  }

  #takeHeaders(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === FRAME.headers && (flags & (FLAG.padded | FLAG.priority)) !== 0) {
      this.#fail('headers with padding or priority, which the load cannot read');
      return;
    }
    // The end of the stream is told by the first frame of a block, and taken note of at its last.
    this.#blockParts.push(payload);
    if (type === FRAME.headers) {
      this.#blockEndsStream = (flags & FLAG.endStream) !== 0;
    }
    if ((flags & FLAG.endHeaders) === 0) {
      return;
    }
    const block = this.#blockParts.length === 1 ? payload : Buffer.concat(this.#blockParts);
    this.#blockParts = [];
    const answer = this.#streams.get(id)?.answer;
    this.#headers.read(block, (name, value) => {
      if (answer === undefined) {
        return;
      }
      if (name === ':status') {
        answer.httpStatus = value;
      } else if (name === 'grpc-status') {
        answer.grpcStatus = value;
      }
    });
    if (this.#blockEndsStream) {
      this.#end(id, undefined);
    }
  }
  #blockEndsStream = false;

  #takeSettings(flags: number, payload: Buffer): void {
    if ((flags & FLAG.ack) !== 0) {
      return;
    }
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) === SETTING.initialWindow) {
        const bytes = payload.readUInt32BE(at + 2);
        for (const stream of this.#streams.values()) {
          stream.windowBytes += bytes - this.#streamWindowBytes;
        }
        this.#streamWindowBytes = bytes;
      } else if (payload.readUInt16BE(at) === SETTING.maxStreams) {
        this.#maxStreams = payload.readUInt32BE(at + 2);
      }
    }
    this.#write(frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(0)));
    this.#sendBodies();
  }

  #takeWindow(id: number, bytes: number): void {
    if (id === 0) {
      this.#windowBytes += bytes;
    } else {
      const stream = this.#streams.get(id);
      if (stream !== undefined) {
        stream.windowBytes += bytes;
      }
    }
    if (this.#waiting.length > 0) {
      this.#sendBodies();
    }
  }

  #end(id: number, failure: string | undefined): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) {
      this.#streams.delete(id);
      stream.answer.failure = failure;
      const next = this.#queue.shift();
      if (next !== undefined) {
        this.#begin(next);
      }
      stream.done(stream.answer);
    }
  }

  #fail(failure: string): void {
    this.#failure ??= failure;
    for (const id of [...this.#streams.keys()]) {
      this.#end(id, this.#failure);
    }
  }
}

function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  bytes.set(payload, HEAD_BYTES);
  return bytes;
}

function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(FRAME.windowUpdate, 0, 0, payload);
}
