/**
 * Stands in for a caller's sidecar in tests: takes its calls, says who calls, and passes them on to the callee that the authority
 * names. A test can make it misbehave for single RPCs: refuse them, lose their answers, or hold them for as long as it likes.
 */

import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

/** Where in a call: before the callee hears of it, or after it has answered. */
export type Side = 'request' | 'answer';

/** Calls that are held. */
export type Hold = {
  /** Resolves when the first call is held. */
  readonly reached: Promise<void>;
  /** Lets the held calls go on, and holds no more. */
  release(): void;
};

/** The stand-in of one caller's sidecar. */
export type Crossing = {
  /** For WEFT_EGRESS. */
  readonly address: string;
  /** Answers calls of an RPC with UNAVAILABLE: before the callee hears of them, or instead of its answer. */
  fail(rpc: string, side: Side, times?: number): void;
  /** Holds calls of an RPC. */
  hold(rpc: string, side: Side): Hold;
  /** Behaves again. */
  mend(): void;
  /** How often an RPC was asked for. */
  count(rpc: string): number;
  close(): Promise<void>;
};

type Fault = () => Promise<'pass' | 'fail'>;

/** Opens a crossing for `caller`, with the callees' addresses by workload. */
export async function openCrossing(caller: string, callees: () => Readonly<Record<string, string>>): Promise<Crossing> {
  const faults = new Map<string, Fault>();
  const counts = new Map<string, number>();
  const inbound = new Set<ServerHttp2Session>();
  const outbound = new Map<string, ClientHttp2Session>();
  const releases = new Set<() => void>();

  const faultAt = (path: string, side: Side) => faults.get(`${side} ${path}`) ?? (async () => 'pass' as const);
  const sessionTo = (workload: string): ClientHttp2Session => {
    const known = outbound.get(workload);
    if (known !== undefined && !known.closed && !known.destroyed) {
      return known;
    }
    const session = connect(`http://${callees()[workload]}`);
    session.on('error', () => outbound.delete(workload));
    outbound.set(workload, session);
    return session;
  };

  const server = createServer();
  server.on('session', (session) => {
    inbound.add(session);
    session.once('close', () => inbound.delete(session));
    session.on('error', () => {});
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const path = String(headers[':path']);
    counts.set(path, (counts.get(path) ?? 0) + 1);
    stream.on('error', () => {});
    void pass(stream, headers, caller, sessionTo, faultAt).catch(() => refuse(stream));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    address: `127.0.0.1:${port}`,
    fail(rpc, side, times = Number.POSITIVE_INFINITY) {
      let left = times;
      faults.set(`${side} /${rpc}`, async () => {
        left -= 1;
        return left >= 0 ? 'fail' : 'pass';
      });
    },
    hold(rpc, side) {
      const reached = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      const key = `${side} /${rpc}`;
      faults.set(key, async () => {
        reached.resolve();
        await released.promise;
        return 'pass';
      });
      const release = () => {
        faults.delete(key);
        released.resolve();
      };
      releases.add(release);
      return { reached: reached.promise, release };
    },
    mend() {
      faults.clear();
      for (const release of releases) {
        release();
      }
    },
    count: (rpc) => counts.get(`/${rpc}`) ?? 0,
    async close() {
      for (const release of releases) {
        release();
      }
      for (const session of [...inbound, ...outbound.values()]) {
        session.destroy();
      }
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function pass(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  caller: string,
  sessionTo: (workload: string) => ClientHttp2Session,
  faultAt: (path: string, side: Side) => Fault,
): Promise<void> {
  const path = String(headers[':path']);
  if ((await faultAt(path, 'request')()) === 'fail') {
    refuse(stream);
    return;
  }
  const identity = { 'x-forwarded-client-cert': `URI=spiffe://weft.local/${caller}` };
  const callee = sessionTo(String(headers[':authority'])).request({ ...headers, ...identity });
  callee.on('error', () => refuse(stream));
  stream.once('close', () => callee.close(constants.NGHTTP2_CANCEL));
  stream.pipe(callee);
  callee.once('response', async (answer, flags) => {
    if ((await faultAt(path, 'answer')()) === 'fail') {
      refuse(stream);
      return;
    }
    if (stream.destroyed) {
      return;
    }
    const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    let trailers: IncomingHttpHeaders = {};
    callee.once('trailers', (received) => {
      trailers = received;
    });
    stream.once('wantTrailers', () => stream.sendTrailers(trailers));
    stream.respond(answer, { endStream, waitForTrailers: !endStream });
    if (!endStream) {
      callee.pipe(stream);
    }
  });
}

/** UNAVAILABLE, trailers only, as a sidecar says it. */
function refuse(stream: ServerHttp2Stream): void {
  if (!stream.headersSent && !stream.destroyed) {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14', 'grpc-message': 'crossing' },
      { endStream: true },
    );
  }
}
