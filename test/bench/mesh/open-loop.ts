/** Calls at a rate, at random intervals, whether others are answered or not: gRPC over one connection, from prepared bytes. */

import { Connection } from '../../../runtime/bench/load/connection.ts';
import { requestBlocks } from '../../../runtime/bench/load/hpack.ts';
import { seeded } from '../../../runtime/bench/orders.ts';

const answerMaxMs = 10_000;
/** A machine that stands still for a moment makes calls fail; a benchmark of failures is worth nothing. */
const mostFailures = 0.01;

export class OpenLoop {
  readonly #connection: Connection;
  readonly #body: Buffer;
  /** Calls that failed so far, all told. */
  failed = 0;

  private constructor(connection: Connection, body: Buffer) {
    this.#connection = connection;
    this.#body = body;
  }

  /** To `address`, which hands calls on to `authority`. */
  static async open(address: string, authority: string, rpc: string, message: Uint8Array): Promise<OpenLoop> {
    const headers = [':method', 'POST', ':scheme', 'http', ':authority', authority, ':path', `/${rpc}`];
    headers.push('te', 'trailers', 'content-type', 'application/grpc+proto', 'user-agent', 'weft-bench');
    headers.push('grpc-timeout', '900m');
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    const connection = await Connection.open(address, requestBlocks([headers], new Set()));
    return new OpenLoop(connection, Buffer.concat([prefix, message]));
  }

  /** One call; throws when it fails. */
  async call(): Promise<void> {
    const answer = await new Promise<Parameters<Parameters<Connection['send']>[2]>[0]>((resolve) =>
      this.#connection.send(this.#body, false, resolve),
    );
    if (answer.failure !== undefined || answer.grpcStatus !== '0')
      throw new Error(answer.failure ?? `HTTP ${answer.httpStatus}, gRPC ${answer.grpcStatus || 'without status'}`);
  }

  /** How long each call took from when it was due, in milliseconds. Throws when more than one in a hundred fails. */
  async run(callsPerSecond: number, ms: number): Promise<number[]> {
    const random = seeded(callsPerSecond);
    const took: number[] = [];
    const calls: Promise<void>[] = [];
    const start = performance.now();
    const failures: unknown[] = [];
    let dueMs = start;
    await new Promise<void>((resolve) => {
      const tick = (): void => {
        for (const now = performance.now(); dueMs <= now && dueMs < start + ms; ) {
          const sentMs = now - dueMs <= 2 ? now : dueMs; // A timer is late by up to this without anybody being in its way.
          const done = () => void took.push(performance.now() - sentMs);
          calls.push(this.call().then(done, (error) => void failures.push(error)));
          dueMs += (-Math.log(1 - random()) / callsPerSecond) * 1000;
        }
        if (dueMs < start + ms) setTimeout(tick, 1);
        else resolve();
      };
      tick();
    });
    let late: NodeJS.Timeout | undefined;
    const missing = new Promise<never>((_, reject) => {
      late = setTimeout(() => reject(new Error('answers are missing')), answerMaxMs);
    });
    await Promise.race([Promise.all(calls), missing]);
    clearTimeout(late);
    this.failed += failures.length;
    if (failures.length > took.length * mostFailures)
      throw new Error(`${failures.length} of ${calls.length} calls failed`, { cause: failures[0] });
    return took;
  }
}
