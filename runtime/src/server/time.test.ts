// Whatever a handler does, its caller is answered in time; and whatever its caller does, a handler hears of it.

import { Code, type ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { EchoService, echoPolicy } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import { envelope, rawConnect } from '../../test/raw.ts';
import { reasonOf } from '../errors/fail.ts';
import { type Call, currentCall, remainingMs } from './call.ts';
import type { RunningServer } from './serve.ts';

const FOREVER = new Promise<never>(() => {});
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) {
    await stop();
  }
});

async function start(...[implementation, options]: Parameters<typeof serveEcho>): Promise<RunningServer> {
  const server = await serveEcho(implementation, options);
  stops.push(() => server.close());
  return server;
}
function clientOf(server: RunningServer) {
  return createClient(EchoService, createGrpcTransport({ baseUrl: `http://${server.address}` }));
}
function rawOf(server: RunningServer) {
  const raw = rawConnect(server.address);
  stops.push(() => raw.close());
  return raw;
}
async function failureOf(promise: Promise<unknown>): Promise<{ error: ConnectError; ms: number }> {
  const startedMs = performance.now();
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  return { error, ms: performance.now() - startedMs };
}

describe('deadlines', () => {
  const policy = {
    ...echoPolicy,
    'weft.test.v1.EchoService/Echo': { ...echoPolicy['weft.test.v1.EchoService/Echo'], deadlineMs: 300 },
  };

  test.each([
    ['no timeout', {}],
    ['a longer timeout', { 'grpc-timeout': '20S' }],
    ['a timeout that gRPC cannot say in milliseconds', { 'grpc-timeout': '99999999H' }],
  ])("policy's deadline holds for a caller with %s, though the handler ignores its signal", async (_name, headers) => {
    const server = await start({ echo: () => FOREVER }, { policy });
    const startedMs = performance.now();
    const { headers: answer } = await rawOf(server).call('Echo', envelope({}), headers);
    const ms = performance.now() - startedMs;
    expect(answer?.['grpc-status']).toBe(String(Code.DeadlineExceeded));
    expect(ms).toBeGreaterThan(290);
    expect(ms).toBeLessThan(1_000);
  });

  test.each([
    ['gRPC', 'application/grpc', { 'grpc-timeout': '100m' }],
    ['gRPC-Web', 'application/grpc-web+proto', { 'grpc-timeout': '100m' }],
    ['Connect', 'application/proto', { 'connect-timeout-ms': '100' }],
  ])("a %s caller's shorter timeout holds", async (_name, type, headers) => {
    let deadlineIn: number | undefined;
    const server = await start({
      echo: () => {
        deadlineIn = remainingMs();
        return FOREVER;
      },
    });
    const startedMs = performance.now();
    const body = type === 'application/proto' ? Buffer.alloc(0) : envelope({});
    await rawOf(server).call('Echo', body, { 'content-type': type, ...headers });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect(deadlineIn).toBeGreaterThan(50);
    expect(deadlineIn).toBeLessThanOrEqual(100);
  });

  test('a timeout of nothing is answered at once, without asking the handler', async () => {
    const echo = vi.fn(() => ({}));
    const server = await start({ echo });
    const { headers } = await rawOf(server).call('Echo', envelope({}), { 'grpc-timeout': '0m' });
    expect(headers?.['grpc-status']).toBe(String(Code.DeadlineExceeded));
    expect(echo).not.toHaveBeenCalled();
  });

  test.each([
    ['application/grpc', { 'grpc-timeout': '99999999H' }],
    ['application/connect+proto', { 'connect-timeout-ms': '9999999999' }],
  ])('a timeout of centuries on a stream is no timeout of a millisecond (%s)', async (type, headers) => {
    const server = await start({
      async *count(_request, { signal }) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        yield { count: signal.aborted ? 0 : 1 };
      },
    });
    const { body } = await rawOf(server).call('Count', envelope({}), { 'content-type': type, ...headers });
    expect([...body.subarray(0, 7)]).toEqual([0, 0, 0, 0, 2, 16, 1]);
  });

  test('a caller that does not finish its request is answered too', async () => {
    const server = await start({}, { policy });
    const { stream, answer } = rawOf(server).open('Echo');
    stream.write(Buffer.from([0, 0, 0, 0, 9]));
    expect((await answer).headers?.['grpc-status']).toBe(String(Code.DeadlineExceeded));
  });

  test('the handler hears of it by its signal, and the error has a reason', async () => {
    const heard = Promise.withResolvers<unknown>();
    const server = await start({
      echo: (_request, { signal }) => {
        signal.addEventListener('abort', () => heard.resolve(signal.reason));
        return FOREVER;
      },
    });
    const transport = createConnectTransport({ baseUrl: `http://${server.address}`, httpVersion: '2' });
    // The server's own deadline is to be seen, so the client has none: the header alone carries it.
    const headers = { 'connect-timeout-ms': '80' };
    const { error } = await failureOf(createClient(EchoService, transport).echo({}, { headers }));
    expect(reasonOf(error)).toBe('DEADLINE');
    expect(reasonOf(await heard.promise)).toBe('DEADLINE');
  });
});

describe('the life of a stream', () => {
  const stream = { idleTimeoutMs: 60_000, maxDurationMs: 2_000 };
  const policy = Object.fromEntries(Object.entries(echoPolicy).map(([rpc, entry]) => [rpc, { ...entry, stream }]));

  test.each(['Count', 'Chat'])('%s ends with STREAM_ENDED before the sidecar would reset it', async (rpc) => {
    async function* forever() {
      yield { count: 1 };
      await FOREVER;
    }
    const server = await start({ count: forever, chat: forever }, { policy });
    const { stream: request, answer } = rawOf(server).open(rpc);
    const startedMs = performance.now();
    request.write(envelope({ count: 1 }));
    if (rpc === 'Count') {
      request.end();
    }
    request.once('end', () => request.end());
    const { trailers } = await answer;
    expect(performance.now() - startedMs).toBeLessThan(stream.maxDurationMs);
    expect(trailers?.['grpc-status']).toBe(String(Code.Unavailable));
    expect(Buffer.from(String(trailers?.['grpc-status-details-bin']), 'base64').toString()).toContain('STREAM_ENDED');
  });

  test('a client stream that lasts too long is DEADLINE: it has no token to resume by', async () => {
    const server = await start({}, { policy });
    const { stream: request, answer } = rawOf(server).open('Sum');
    request.write(envelope({ count: 1 }));
    expect((await answer).headers?.['grpc-status']).toBe(String(Code.DeadlineExceeded));
  });

  test('a reader that does not read is cut off', async () => {
    const server = await start(
      {
        async *count() {
          while (true) {
            yield { text: 'x'.repeat(100_000) };
          }
        },
      },
      { policy },
    );
    const { stream: request, answer } = rawOf(server).open('Count');
    request.end(envelope({ count: 1 }));
    request.pause();
    await vi.waitFor(() => expect(request.closed || request.destroyed || request.aborted).toBe(true), {
      timeout: 5_000,
    });
    request.resume();
    await answer;
  });
});

describe('callers that leave', () => {
  test.each(['Echo', 'Count', 'Sum', 'Chat'])('the handler of %s hears of it', async (rpc) => {
    const begun = Promise.withResolvers<Call | undefined>();
    const wait = () => {
      begun.resolve(currentCall());
      return FOREVER;
    };
    const server = await start({
      echo: wait,
      sum: wait,
      // biome-ignore lint/correctness/useYield: it waits.
      count: async function* () {
        await wait();
      },
      // biome-ignore lint/correctness/useYield: it waits.
      chat: async function* () {
        await wait();
      },
    });
    const { stream: request } = rawOf(server).open(rpc);
    request.end(envelope({}));
    const call = await begun.promise;
    expect(call?.signal.aborted).toBe(false);
    request.close(8);
    await vi.waitFor(() => expect(call?.signal.aborted).toBe(true));
    expect(reasonOf(call?.signal.reason)).toBe('CANCELLED');
  });

  test('a generator that is waiting gets to clean up', async () => {
    const cleaned = Promise.withResolvers<void>();
    const server = await start({
      async *count(_request, { signal }) {
        try {
          yield { count: 1 };
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
        } finally {
          cleaned.resolve();
        }
      },
    });
    for await (const _ of clientOf(server).count({ count: 1 })) {
      break;
    }
    const { stream: request } = rawOf(server).open('Count');
    request.end(envelope({}));
    request.once('data', () => request.close(8));
    await cleaned.promise;
  });

  test('a call that ends well does not abort its signal: work begun in it may go on', async () => {
    let call: Call | undefined;
    const server = await start({
      echo: () => {
        call = currentCall();
        return {};
      },
    });
    await clientOf(server).echo({});
    const raw = rawOf(server);
    await raw.call('Echo', envelope({}));
    expect(call?.signal.aborted).toBe(false);
  });
});
