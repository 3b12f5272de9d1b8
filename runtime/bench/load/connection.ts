/** One connection of the load: sends calls, and tells of each answer what is needed to believe it. */

import { connect, type Socket } from 'node:net';
import { Frames } from './frames.ts';
import { HeaderReader, type RequestBlocks } from './hpack.ts';

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

type Call = { readonly body: Buffer; readonly answer: Answer; readonly done: (answer: Answer) => void };

export class Connection {
  readonly #frames: Frames;
  readonly #blocks: RequestBlocks;
  readonly #calls = new Map<number, Call>();
  readonly #reader = new HeaderReader();
  /** Calls that wait until the server takes another. */
  readonly #queue: Call[] = [];
  #nextId = 1;

  private constructor(socket: Socket, blocks: RequestBlocks) {
    this.#blocks = blocks;
    this.#frames = new Frames(socket, 'client', {
      headers: (id, block, endsStream) => this.#takeHeaders(id, block, endsStream),
      data: (id, bytes, endsStream) => this.#takeData(id, bytes, endsStream),
      reset: (id, code) => this.#end(id, `the stream was reset: ${code}`),
      failed: (reason) => {
        for (const id of [...this.#calls.keys()]) {
          this.#end(id, reason);
        }
      },
    });
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

  /** Sends a request. `done` hears of its answer, or of its failure, once. */
  send(body: Buffer, keepsBody: boolean, done: (answer: Answer) => void): void {
    const answer: Answer = {
      httpStatus: '',
      grpcStatus: '',
      bytes: 0,
      chunks: keepsBody ? [] : undefined,
      failure: this.#frames.failure,
    };
    if (answer.failure !== undefined) {
      done(answer);
    } else if (this.#calls.size >= this.#frames.maxStreams) {
      this.#queue.push({ body, answer, done });
    } else {
      this.#begin({ body, answer, done });
    }
  }

  #begin(call: Call): void {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#calls.set(id, call);
    this.#frames.sendHeaders(id, this.#headersOf(id));
    this.#frames.sendBody({ id, parts: [call.body], trailers: undefined });
  }

  #headersOf(id: number): Buffer {
    const { first, later } = this.#blocks;
    return id === 1 ? first : (later[((id - 1) / 2) % later.length] ?? first);
  }

  #takeHeaders(id: number, block: Buffer, endsStream: boolean): void {
    const answer = this.#calls.get(id)?.answer;
    this.#reader.read(block, (name, value) => {
      if (answer !== undefined && name === ':status') {
        answer.httpStatus = value;
      } else if (answer !== undefined && name === 'grpc-status') {
        answer.grpcStatus = value;
      }
    });
    if (endsStream) {
      this.#end(id, undefined);
    }
  }

  #takeData(id: number, bytes: Buffer, endsStream: boolean): void {
    const answer = this.#calls.get(id)?.answer;
    if (answer !== undefined) {
      answer.bytes += bytes.length;
      answer.chunks?.push(bytes);
    }
    if (endsStream) {
      this.#end(id, undefined);
    }
  }

  #end(id: number, failure: string | undefined): void {
    const call = this.#calls.get(id);
    if (call === undefined) {
      return;
    }
    this.#calls.delete(id);
    this.#frames.forget(id);
    const next = this.#queue.shift();
    if (next !== undefined) {
      this.#begin(next);
    }
    call.answer.failure = failure;
    call.done(call.answer);
  }
}
