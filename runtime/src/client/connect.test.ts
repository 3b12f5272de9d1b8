import { createServer, type IncomingHttpHeaders } from 'node:http2';
import { createServer as createTcpServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EchoService, echoPolicy } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import { envelope, rawConnect } from '../../test/raw.ts';
import { fail, metadataOf, reasonOf } from '../errors/fail.ts';
import { type Call, currentCall, detached, remainingMs } from '../server/call.ts';
import { budgetMs, marginMs } from './budget.ts';
import { connect } from './connect.ts';
import { closeEgress } from './egress.ts';

const FOREVER = new Promise<never>(() => {});
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const stops: (() => unknown)[] = [];

beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(async () => {
  closeEgress();
  for (const stop of stops.splice(0).reverse()) {
    await stop();
  }
  vi.restoreAllMocks();
});

async function start(...args: Parameters<typeof serveEcho>) {
  const server = await serveEcho(...args);
  stops.push(() => server.close());
  return server;
}
const clientOf = (egress: string) => connect(EchoService, { egress, policy: echoPolicy });
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

/** A caller whose handler of Echo runs `work`, called by hand with `headers`. */
async function inCall(work: () => Promise<unknown>, headers: Record<string, string> = {}) {
  const caller = await start({
    echo: async () => {
      await work();
      return {};
    },
  });
  const raw = rawConnect(caller.address);
  stops.push(() => raw.close());
  const { stream, answer } = raw.open('Echo', headers);
  stream.end(envelope({}));
  return { stream, answer };
}

describe('a call made while answering another', () => {
  test('has what is left of its deadline, less a margin', async () => {
    let leftMs: number | undefined;
    const callee = await start({
      echo: () => {
        leftMs = remainingMs();
        return {};
      },
    });
    const client = clientOf(callee.address);
    const { answer } = await inCall(() => client.echo({}), { 'grpc-timeout': '1000m' });
    expect((await answer).trailers?.['grpc-status']).toBe('0');
    expect(leftMs).toBeGreaterThan(800);
    expect(leftMs).toBeLessThanOrEqual(1_000 - marginMs(1_000));
  });

  test('ends when its caller leaves', async () => {
    const begun = Promise.withResolvers<Call | undefined>();
    const callee = await start({
      echo: () => {
        begun.resolve(currentCall());
        return FOREVER;
      },
    });
    const client = clientOf(callee.address);
    const { stream } = await inCall(() => client.echo({}));
    const call = await begun.promise;
    stream.close(8);
    await vi.waitFor(() => expect(reasonOf(call?.signal.reason)).toBe('CANCELLED'));
  });

  test('belongs to the same trace while telemetry is off', async () => {
    let headers: Readonly<Record<string, string>> | undefined;
    let traceId: string | undefined;
    const callee = await start({
      echo: () => {
        headers = currentCall()?.traceHeaders;
        traceId = currentCall()?.traceId;
        return {};
      },
    });
    const client = clientOf(callee.address);
    const { answer } = await inCall(() => client.echo({}), { traceparent: TRACEPARENT, tracestate: 'a=1' });
    await answer;
    expect(headers).toEqual({ traceparent: TRACEPARENT, tracestate: 'a=1' });
    expect(traceId).toBe('0af7651916cd43dd8448eb211c80319c');
  });

  test("passes a callee's typed error on, metadata included", async () => {
    const callee = await start({
      echo: () => {
        throw fail('INSUFFICIENT_STOCK', 'only 3', { available: '3' });
      },
    });
    const client = clientOf(callee.address);
    const failure = await failureOf(client.echo({}));
    expect([reasonOf(failure), metadataOf(failure)]).toEqual(['INSUFFICIENT_STOCK', { available: '3' }]);
    const { answer } = await inCall(() => client.echo({}));
    expect((await answer).headers?.['grpc-status']).toBe('9');
  });

  test('detached work outlives it', async () => {
    let deadlineMs: number | undefined = 1;
    const callee = await start({
      count: async function* () {
        deadlineMs = currentCall()?.deadlineMs;
        yield {};
      },
    });
    const client = clientOf(callee.address);
    const { answer } = await inCall(() => detached(() => Array.fromAsync(client.count({}))), {
      'grpc-timeout': '500m',
    });
    await answer;
    expect(deadlineMs).toBeUndefined();
  });
});

describe('a call of its own', () => {
  test('has the deadline that policy promises', async () => {
    const callee = await start({ echo: () => FOREVER });
    const policy = {
      'weft.test.v1.EchoService/Echo': { ...echoPolicy['weft.test.v1.EchoService/Echo'], deadlineMs: 100 },
    };
    const client = connect(EchoService, { egress: callee.address, policy });
    expect(reasonOf(await failureOf(client.echo({})))).toBe('DEADLINE');
  });

  test('is cancelled when its reader leaves the loop', async () => {
    const begun = Promise.withResolvers<Call | undefined>();
    const callee = await start({
      async *count() {
        begun.resolve(currentCall());
        yield {};
        await FOREVER;
      },
    });
    for await (const _ of clientOf(callee.address).count({})) {
      break;
    }
    const call = await begun.promise;
    await vi.waitFor(() => expect(call?.signal.aborted).toBe(true));
  });

  test('is cancelled by its own signal', async () => {
    const callee = await start({ echo: () => FOREVER });
    const controller = new AbortController();
    const call = failureOf(clientOf(callee.address).echo({}, { signal: controller.signal }));
    controller.abort();
    expect(reasonOf(await call)).toBe('CANCELLED');
  });
});

describe('the connection', () => {
  test('is one for all callees, which are told apart by the authority', async () => {
    const seen: IncomingHttpHeaders[] = [];
    const sessions = new Set();
    const sidecar = createServer();
    sidecar.on('request', (request, response) => {
      seen.push(request.headers);
      sessions.add(request.stream.session);
      response.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': '14' }).end();
    });
    await new Promise<void>((resolve) => sidecar.listen(0, '127.0.0.1', resolve));
    stops.push(() => new Promise((resolve) => sidecar.close(resolve)), closeEgress);
    const address = sidecar.address();
    const egress = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    for (const workload of ['inventory', 'pricing']) {
      const client = connect(EchoService, { egress, policy: echoPolicy, workload });
      expect(reasonOf(await failureOf(client.echo({})))).toBe('UNREACHABLE');
    }
    expect(seen.map((headers) => headers[':authority'])).toEqual(['inventory', 'pricing']);
    expect(sessions.size).toBe(1);
  });

  test('that cannot be had is UNREACHABLE, and says nothing of sockets', async () => {
    for (const egress of ['unix:/nonexistent/weft.sock', '127.0.0.1:1']) {
      const failure = await failureOf(clientOf(egress).echo({}));
      expect(reasonOf(failure)).toBe('UNREACHABLE');
      expect(String(failure)).not.toMatch(/nonexistent|127\.0\.0\.1/);
    }
  });

  test('that dies under a call is UNREACHABLE, and the next call opens another', async () => {
    const dying = createTcpServer((socket) => socket.once('data', () => socket.destroy()));
    await new Promise<void>((resolve) => dying.listen(0, '127.0.0.1', resolve));
    const address = dying.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const client = clientOf(`127.0.0.1:${port}`);
    expect(reasonOf(await failureOf(client.echo({})))).toBe('UNREACHABLE');
    await new Promise((resolve) => dying.close(resolve));
    await start({}, { listen: `127.0.0.1:${port}` });
    expect((await client.echo({ text: 'back' })).text).toBe('back');
  });
});

test('a service that policy does not know needs a workload', () => {
  expect(() => connect(EchoService, { egress: 'unix:x.sock', policy: {} })).toThrow('npm run generate');
});

describe('the budget of a call', () => {
  const call = { deadlineMs: 10_000, signal: new AbortController().signal } as Call;
  test.each([
    [undefined, undefined, undefined, undefined],
    [undefined, 700, undefined, 700],
    [undefined, 700, 300, 300],
    [undefined, 700, Number.NaN, 700],
    [undefined, undefined, Number.NaN, undefined],
    [undefined, 300, 700, 300],
    [call, 700, undefined, 700],
    [call, undefined, undefined, 950],
    [call, 2_000, 3_000, 950],
  ])('%o, policy %s, asked %s: %s ms', (current, deadlineMs, timeoutMs, expected) => {
    const policy =
      deadlineMs === undefined ? undefined : { ...echoPolicy['weft.test.v1.EchoService/Echo'], deadlineMs };
    expect(budgetMs(current, policy, timeoutMs, 9_000)).toBe(expected);
  });
  test.each([9_999, 10_000, 12_000])('nobody is asked when time is up (now %s)', (nowMs) => {
    expect(
      reasonOf(
        (() => {
          try {
            return budgetMs(call, undefined, undefined, nowMs);
          } catch (error) {
            return error;
          }
        })(),
      ),
    ).toBe('DEADLINE');
  });
});
