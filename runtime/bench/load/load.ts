/**
 * The load: one process that drives every server of a protocol with the same bytes, over node:http2's core API. It looks at
 * the status and the length of each answer, compares a round of answers whole before anything is measured, and gives up at
 * the first that is wrong: a benchmark of failures is worth nothing.
 */

import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { type Call, type PreparedCall, prepare } from './calls.ts';

/** A load of calls, each of which follows another as soon as that is answered. */
export type Drive = {
  readonly address: string;
  readonly call: Call;
  readonly connections: number;
  /** Calls at once, over all connections. */
  readonly callers: number;
  /** Ends after this time, in milliseconds, or this number of calls, whichever comes first. */
  readonly ms: number;
  readonly calls?: number;
};
export type Driven = { readonly calls: number; readonly ms: number };

const WINDOW_BYTES = 4 * 1024 * 1024;
const sessions = new Map<string, ClientHttp2Session[]>();
const prepared = new Map<string, PreparedCall>();

const commands = {
  /** Sends each message once and compares the answers. */
  async verify({ address, call }: Pick<Drive, 'address' | 'call'>): Promise<void> {
    const [session] = await sessionsTo(address, 1);
    const ready = preparedFor(call, address);
    for (const index of ready.bodies.keys()) {
      if (session !== undefined && !ready.isRight(index, await send(session, { ready, call, index, keep: true }))) {
        throw new Error(`${address} gives a wrong answer to ${call.rpc}, message ${index}`);
      }
    }
  },

  async drive(asked: Drive): Promise<Driven> {
    const ready = preparedFor(asked.call, asked.address);
    const open = await sessionsTo(asked.address, Math.min(asked.connections, asked.callers));
    const startedMs = performance.now();
    const endMs = startedMs + asked.ms;
    const most = asked.calls ?? Number.POSITIVE_INFINITY;
    let begun = 0;
    let calls = 0;
    const caller = async (session: ClientHttp2Session): Promise<void> => {
      while (begun < most && performance.now() < endMs) {
        const index = begun % ready.bodies.length;
        begun += 1;
        await send(session, { ready, call: asked.call, index, keep: false });
        calls += 1;
      }
    };
    await Promise.all(
      Array.from({ length: asked.callers }, (_, number) => {
        const session = open[number % open.length];
        return session === undefined ? undefined : caller(session);
      }),
    );
    return { calls, ms: performance.now() - startedMs };
  },
};

export type LoadCommands = typeof commands;

export async function start(): Promise<LoadCommands> {
  return commands;
}

type Sending = { readonly ready: PreparedCall; readonly call: Call; readonly index: number; readonly keep: boolean };

/** Makes a call, and gives the body of its answer if that is kept. */
function send(session: ClientHttp2Session, { ready, call, index, keep }: Sending): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream: ClientHttp2Stream = session.request(ready.headers as string[]);
    const kept: Buffer[] = [];
    let bytes = 0;
    let httpStatus: number | undefined;
    let status: string | undefined;
    stream.on('response', (headers) => {
      httpStatus = headers[':status'];
      status = headers['grpc-status'] as string | undefined;
    });
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status'] as string | undefined;
    });
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (keep) {
        kept.push(chunk);
      }
    });
    stream.on('error', reject);
    stream.on('close', () => {
      const isStatus = call.protocol !== 'grpc' || status === String(call.status ?? 0);
      if (httpStatus === 200 && isStatus && bytes === ready.answerBytes[index]) {
        resolve(Buffer.concat(kept));
        return;
      }
      const wanted = `HTTP 200, gRPC ${call.status ?? 0}, ${ready.answerBytes[index]} bytes`;
      reject(
        new Error(`${call.rpc} was answered HTTP ${httpStatus}, gRPC ${status}, ${bytes} bytes and not ${wanted}`),
      );
    });
    stream.end(ready.bodies[index]);
  });
}

function preparedFor(call: Call, authority: string): PreparedCall {
  const key = JSON.stringify([call, authority]);
  let ready = prepared.get(key);
  if (ready === undefined) {
    ready = prepare(call, authority);
    prepared.set(key, ready);
  }
  return ready;
}

async function sessionsTo(address: string, count: number): Promise<ClientHttp2Session[]> {
  const open = sessions.get(address) ?? [];
  sessions.set(address, open);
  while (open.length < count) {
    const session = connect(`http://${address}`, { settings: { initialWindowSize: WINDOW_BYTES, enablePush: false } });
    await new Promise<void>((resolve, reject) => {
      session.once('connect', () => resolve());
      session.once('error', reject);
    });
    session.setLocalWindowSize(WINDOW_BYTES);
    open.push(session);
  }
  return open.slice(0, count);
}
