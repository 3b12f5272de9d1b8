/**
 * HTTP/2 in frames (RFC 9113) over a socket, for the side of a comparison that is not measured: it costs a fraction of what
 * node:http2 does, so that the side that is measured has a core to itself and is busy, however fast it is. It keeps to flow
 * control in both directions, and writes what is sent in one turn of the event loop in one piece.
 */

import type { Socket } from 'node:net';

/** What comes in. */
export type FrameEvents = {
  /** A whole block of headers, or of trailers. */
  headers(id: number, block: Buffer, endsStream: boolean): void;
  data(id: number, bytes: Buffer, endsStream: boolean): void;
  reset(id: number, code: number): void;
  /** Nothing can be sent or will come any more. */
  failed(reason: string): void;
};

type Body = { readonly id: number; readonly parts: readonly Buffer[]; readonly trailers: Buffer | undefined };
type Waiting = Body & { part: number; at: number };

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 };
const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 };
const SETTING = { enablePush: 2, maxStreams: 3, initialWindow: 4 };
const HEAD_BYTES = 9;
const FRAME_MAX_BYTES = 16_384;
const PRIORITY_BYTES = 5;
const DEFAULT_WINDOW_BYTES = 65_535;
/** What the other side may send before it hears more: of a stream more than any has, of the connection enough for all. */
const STREAM_WINDOW_BYTES = 64 * 1_024 * 1_024;
const CONNECTION_WINDOW_BYTES = 1_024 * 1_024 * 1_024;

export class Frames {
  readonly #socket: Socket;
  readonly #events: FrameEvents;
  /** Most streams that the other side takes at once. */
  maxStreams = Number.POSITIVE_INFINITY;
  /** What may be sent on each stream that is open. */
  readonly #streamWindows = new Map<number, number>();
  #windowBytes = DEFAULT_WINDOW_BYTES;
  #initialWindowBytes = DEFAULT_WINDOW_BYTES;
  /** Bodies that wait for the other side to open a window. */
  #waiting: Waiting[] = [];
  #unacknowledgedBytes = 0;
  #outgoing: Buffer[] = [];
  #unread: Buffer | undefined;
  /** The block of headers that is coming in. */
  #block: { readonly parts: Buffer[]; readonly endsStream: boolean } | undefined;
  #failure: string | undefined;

  constructor(socket: Socket, side: 'client' | 'server', events: FrameEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => this.#fail('the connection was closed'));
    const initialWindow = Buffer.alloc(6);
    initialWindow.writeUInt16BE(SETTING.initialWindow, 0);
    initialWindow.writeUInt32BE(STREAM_WINDOW_BYTES, 2);
    if (side === 'client') {
      const noPush = Buffer.from([0, SETTING.enablePush, 0, 0, 0, 0]);
      this.#write(PREFACE);
      this.#write(frame(FRAME.settings, 0, 0, Buffer.concat([noPush, initialWindow])));
    } else {
      this.#write(frame(FRAME.settings, 0, 0, initialWindow));
    }
    this.#write(windowUpdate(CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES));
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  /** Begins a stream, or the answer on one. */
  sendHeaders(id: number, block: Buffer): void {
    if (!this.#streamWindows.has(id)) {
      this.open(id);
    }
    this.#write(frame(FRAME.headers, FLAG.endHeaders, id, block));
  }

  /** Sends each part in frames of its own, then the trailers, if there are any, and ends the side of the stream. */
  sendBody(body: Body): void {
    const waiting = { ...body, part: 0, at: 0 };
    if (this.#waiting.length > 0 || this.#windowBytes <= 0 || !this.#sendMore(waiting)) {
      this.#waiting.push(waiting);
    }
  }

  /** Notes what may be sent on a stream that the other side began. */
  open(id: number): void {
    this.#streamWindows.set(id, this.#initialWindowBytes);
  }

  /** Forgets a stream that ended before all was sent. */
  forget(id: number): void {
    this.#streamWindows.delete(id);
  }

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
  #sendWaiting(): void {
    const blocked: Waiting[] = [];
    let taken = 0;
    for (const waiting of this.#waiting) {
      if (this.#windowBytes <= 0) {
        break;
      }
      taken += 1;
      if (!this.#sendMore(waiting)) {
        blocked.push(waiting);
      }
    }
    if (taken > 0) {
      this.#waiting = [...blocked, ...this.#waiting.slice(taken)];
    }
  }

  /** Sends as much of a body as both windows let through; whether that was all. */
  #sendMore(waiting: Waiting): boolean {
    const { id, parts, trailers } = waiting;
    let streamBytes = this.#streamWindows.get(id);
    if (streamBytes === undefined) {
      // It was reset meanwhile.
      return true;
    }
    for (; waiting.part < parts.length; waiting.part += 1, waiting.at = 0) {
      const part = parts[waiting.part] ?? PREFACE;
      do {
        const rest = part.length - waiting.at;
        const bytes = Math.min(rest, FRAME_MAX_BYTES, this.#windowBytes, streamBytes);
        if (bytes <= 0 && rest > 0) {
          this.#streamWindows.set(id, streamBytes);
          return false;
        }
        const isLast = bytes === rest && waiting.part === parts.length - 1 && trailers === undefined;
        const payload = part.subarray(waiting.at, waiting.at + bytes);
        this.#write(frame(FRAME.data, isLast ? FLAG.endStream : 0, id, payload));
        this.#windowBytes -= bytes;
        streamBytes -= bytes;
        waiting.at += bytes;
      } while (waiting.at < part.length);
    }
    this.#streamWindows.delete(id);
    if (trailers !== undefined) {
      this.#write(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, id, trailers));
    }
    return true;
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
        this.#acknowledge(payload.length);
        this.#events.data(id, unpadded(flags, payload), (flags & FLAG.endStream) !== 0);
        return;
      case FRAME.headers:
      case FRAME.continuation:
        this.#takeHeaders(type, flags, id, payload);
        return;
      case FRAME.reset:
        this.#events.reset(id, payload.readUInt32BE(0));
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
        this.#fail(`the other side went away: ${payload.readUInt32BE(4)}`);
        return;
      case FRAME.windowUpdate:
        this.#takeWindow(id, payload.readUInt32BE(0));
        return;
      default:
    }
  }

  #acknowledge(bytes: number): void {
    this.#unacknowledgedBytes += bytes;
    if (this.#unacknowledgedBytes > CONNECTION_WINDOW_BYTES / 2) {
      this.#write(windowUpdate(this.#unacknowledgedBytes));
      this.#unacknowledgedBytes = 0;
    }
  }

  #takeHeaders(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === FRAME.headers) {
      // The end of the stream is told by the first frame of a block, and is reached with the last.
      this.#block = { parts: [withoutPriority(flags, payload)], endsStream: (flags & FLAG.endStream) !== 0 };
    } else {
      this.#block?.parts.push(payload);
    }
    const block = this.#block;
    if (block !== undefined && (flags & FLAG.endHeaders) !== 0) {
      this.#block = undefined;
      const [first] = block.parts;
      const whole = first !== undefined && block.parts.length === 1 ? first : Buffer.concat(block.parts);
      this.#events.headers(id, whole, block.endsStream);
    }
  }

  #takeSettings(flags: number, payload: Buffer): void {
    if ((flags & FLAG.ack) !== 0) {
      return;
    }
    for (let at = 0; at < payload.length; at += 6) {
      const name = payload.readUInt16BE(at);
      const value = payload.readUInt32BE(at + 2);
      if (name === SETTING.initialWindow) {
        for (const [id, bytes] of this.#streamWindows) {
          this.#streamWindows.set(id, bytes + value - this.#initialWindowBytes);
        }
        this.#initialWindowBytes = value;
      } else if (name === SETTING.maxStreams) {
        this.maxStreams = value;
      }
    }
    this.#write(frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(0)));
    this.#sendWaiting();
  }

  #takeWindow(id: number, bytes: number): void {
    const streamBytes = this.#streamWindows.get(id);
    if (id === 0) {
      this.#windowBytes += bytes;
    } else if (streamBytes !== undefined) {
      this.#streamWindows.set(id, streamBytes + bytes);
    }
    if (this.#waiting.length > 0) {
      this.#sendWaiting();
    }
  }

  #fail(reason: string): void {
    if (this.#failure === undefined) {
      this.#failure = reason;
      this.#events.failed(reason);
    }
  }
}

function unpadded(flags: number, payload: Buffer): Buffer {
  return (flags & FLAG.padded) === 0 ? payload : payload.subarray(1, payload.length - (payload[0] ?? 0));
}

function withoutPriority(flags: number, payload: Buffer): Buffer {
  const block = unpadded(flags, payload);
  return (flags & FLAG.priority) === 0 ? block : block.subarray(PRIORITY_BYTES);
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
