// Peers that say goodbye, and what becomes of the calls that are on their way.

import { type ClientHttp2Session, constants } from 'node:http2';
import { Code } from '@connectrpc/connect';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { EchoService } from '../../../test/echo.ts';
import { serveEcho } from '../../../test/echo-server.ts';
import { startRelay } from '../../../test/endurance/relay.ts';
import { FrameServer } from '../../../test/fuzz/frame-server.ts';
import { FRAME, frame, uint32 } from '../../../test/fuzz/frames.ts';
import { parseAddress } from '../../address.ts';
import { connect } from '../connect.ts';
import { poolTo } from '../egress.ts';
import { serviceDefinition } from '../grpc.ts';
import { answerGrpc, atEnd, enveloped, failureOf, message, type RawServer, serveRaw, stopAtEnd } from '../testing.ts';
import { DEFAULT_SESSION_OPTIONS } from './session-options.ts';

stopAtEnd();

const DRAINS = 20;
const CALLERS = 12;
const LANES = [
  ['fast', true],
  ['adapter', false],
] as const;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Calls by several callers at once, until it is told to stop. */
function load(address: string, fastLane: boolean) {
  const { echo } = connect(EchoService, { egress: address, fastLane });
  const failures: unknown[] = [];
  const state = { calls: 0, isOver: false };
  const running = Array.from({ length: CALLERS }, async () => {
    while (!state.isOver) {
      const text = String(state.calls++);
      await echo({ text }).catch((error: unknown) => failures.push(error));
    }
  });
  return {
    failures,
    /** Waits for some calls. */
    async some() {
      const before = state.calls;
      while (state.calls < before + 2 * CALLERS) {
        await pause(1);
      }
    },
    async stop() {
      state.isOver = true;
      await Promise.all(running);
    },
  };
}

describe.each(LANES)('by the %s lane, no call fails under load', (_name, fastLane) => {
  test(`when a node:http2 server says goodbye ${DRAINS} times`, async () => {
    const raw = await serveRaw(({ stream }) => void setTimeout(() => answerGrpc(stream), 2));
    const calls = load(raw.address, fastLane);
    for (let n = 0; n < DRAINS; n += 1) {
      await calls.some();
      for (const session of raw.sessions) {
        session.close();
      }
    }
    await calls.stop();
    expect(calls.failures).toEqual([]);
    expect(raw.opened).toBeGreaterThanOrEqual(DRAINS);
  });

  test(`when servers of the runtime drain and others take their place ${DRAINS} times`, async () => {
    const relay = await startRelay();
    let server = await serveEcho({}, { drain: { noticeMs: 1 } });
    atEnd(() => server.close());
    atEnd(() => relay.close());
    relay.pointAt(server.address);
    const calls = load(relay.address, fastLane);
    for (let n = 0; n < DRAINS; n += 1) {
      await calls.some();
      const next = await serveEcho({}, { drain: { noticeMs: 1 } });
      relay.pointAt(next.address);
      await server.drain();
      server = next;
    }
    await calls.stop();
    expect(calls.failures).toEqual([]);
  });

  test('when connections of a grpc-js server come of age', async () => {
    const server = new Server({
      'grpc.max_connection_age_ms': 60,
      'grpc.max_connection_age_grace_ms': 5_000,
    });
    server.addService(serviceDefinition(EchoService), {
      echo: (call: { request: { text: string } }, callback: (error: null, answer: object) => void) =>
        callback(null, { text: call.request.text }),
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    atEnd(() => server.forceShutdown());
    const calls = load(`127.0.0.1:${port}`, fastLane);
    for (let n = 0; n < DRAINS; n += 1) {
      await pause(40);
      await calls.some();
    }
    await calls.stop();
    expect(calls.failures).toEqual([]);
  });
});

/** A server that counts the calls that it begins. @param answer whether a call is answered. */
async function serveOpen(answer: (raw: RawServer, index: number) => boolean) {
  const begun: number[] = [];
  const raw: RawServer = await serveRaw(({ stream, index }) => {
    begun.push(index);
    if (answer(raw, index)) {
      answerGrpc(stream);
    }
  });
  return { raw, begun };
}

describe.each(LANES)('by the %s lane', (_name, fastLane) => {
  const clientOf = (raw: RawServer) => connect(EchoService, { egress: raw.address, fastLane });

  test.each([
    ['no error', constants.NGHTTP2_NO_ERROR],
    ['another code', constants.NGHTTP2_ENHANCE_YOUR_CALM],
  ])('a call above the last stream of a goodbye with %s is made again', async (_code, code) => {
    const server = await FrameServer.listen();
    atEnd(() => server.close());
    let asked = 0;
    server.answer = ({ write, headers, data }) => {
      asked += 1;
      if (asked === 1) {
        write(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(0), uint32(code)])));
        return;
      }
      headers([
        [':status', '200'],
        ['content-type', 'application/grpc'],
      ]);
      data(enveloped(message('again')));
      headers([['grpc-status', '0']], true);
    };
    const { echo } = connect(EchoService, { egress: server.address, fastLane });
    expect((await echo({})).text).toBe('again');
    expect(asked).toBe(2);
  });

  test('a connection whose numbers are used up is replaced', async () => {
    const raw = await serveRaw(({ stream }) => answerGrpc(stream));
    const { echo } = clientOf(raw);
    const pool = poolTo(parseAddress(raw.address), undefined, DEFAULT_SESSION_OPTIONS);
    await new Promise<void>((resolve, reject) =>
      pool.begin({
        begin({ http2 }) {
          // It has two left, of a thousand million. Node's types leave the method out.
          (http2 as ClientHttp2Session & { setNextStreamID(id: number): void }).setNextStreamID(2 ** 31 - 3);
          resolve();
        },
        refused: reject,
      }),
    );
    for (let n = 0; n < 5; n += 1) {
      expect((await echo({})).text).toBe('hi');
    }
    expect(raw.opened).toBe(2);
  });

  test('a call that may have been begun is not made again', async () => {
    const { raw, begun } = await serveOpen(({ sessions }) => {
      for (const session of sessions) {
        session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 1);
      }
      return false;
    });
    const failure = await failureOf(clientOf(raw).echo({}));
    expect([Code.Unavailable, Code.ResourceExhausted, Code.Internal]).toContain(failure.code);
    expect(begun).toEqual([0]);
  });

  test('a call whose connection is lost is not made again', async () => {
    const { raw, begun } = await serveOpen(({ sessions }) => {
      for (const session of sessions) {
        session.socket.destroy();
      }
      return false;
    });
    await failureOf(clientOf(raw).echo({}));
    expect(begun).toEqual([0]);
  });

  test('a call that is refused is made again, four times at most', async () => {
    const raw = await serveRaw(({ stream, index }) => {
      if (index % 5 < 3) {
        stream.close(constants.NGHTTP2_REFUSED_STREAM);
      } else {
        answerGrpc(stream);
      }
    });
    expect((await clientOf(raw).echo({})).text).toBe('hi');
    expect(raw.calls).toBe(4);
    const stubborn = await serveRaw(({ stream }) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    const failure = await failureOf(clientOf(stubborn).echo({}));
    expect([failure.code, stubborn.calls]).toEqual([Code.Unavailable, 4]);
    expect(stubborn.opened).toBe(1);
  });

  test('a call that is refused after its answer has begun is not made again', async () => {
    const raw = await serveRaw(({ stream }) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' });
      setTimeout(() => stream.close(constants.NGHTTP2_REFUSED_STREAM), 20);
    });
    await failureOf(clientOf(raw).echo({}));
    expect(raw.calls).toBe(1);
  });

  test('an error whose words name a refused stream is an error like any other', async () => {
    const raw = await serveRaw(({ stream }) =>
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14', 'grpc-message': 'REFUSED_STREAM' },
        { endStream: true },
      ),
    );
    expect((await failureOf(clientOf(raw).echo({}))).rawMessage).toBe('REFUSED_STREAM');
    expect(raw.calls).toBe(1);
  });

  test('the attempts at one call share its deadline', async () => {
    const raw = await serveRaw(({ stream }) => {
      setTimeout(() => stream.close(constants.NGHTTP2_REFUSED_STREAM), 60);
    });
    const failure = await failureOf(clientOf(raw).echo({}, { timeoutMs: 100 }));
    expect(failure.code).toBe(Code.DeadlineExceeded);
    expect(raw.calls).toBeLessThanOrEqual(2);
  });

  test('a peer that says goodbye to every connection at once is UNAVAILABLE', async () => {
    const raw = await serveRaw(() => {});
    raw.server.on('session', (session) => session.goaway());
    expect((await failureOf(clientOf(raw).echo({}))).code).toBe(Code.Unavailable);
    expect(raw.opened).toBeLessThanOrEqual(4);
  });
});
