import { createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EchoService } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import { reasonOf } from '../errors/fail.ts';
import { HealthService, ServingStatus } from '../health.ts';
import type { DrainOptions } from './drain.ts';
import type { RunningServer } from './serve.ts';

let server: RunningServer;
let transport: Transport;
let begun: PromiseWithResolvers<void>;
let release: () => void;

async function start(drain: DrainOptions) {
  begun = Promise.withResolvers();
  server = await serveEcho(
    {
      echo: async ({ text }) => {
        await new Promise<void>((resolve) => {
          release = resolve;
          begun.resolve();
        });
        return { text };
      },
      async *count() {
        yield { count: 1 };
        await new Promise(() => {});
      },
    },
    { drain },
  );
  transport = createGrpcTransport({ baseUrl: `http://${server.address}` });
}
beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true));
afterEach(async () => {
  await server.close();
  vi.restoreAllMocks();
});
const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'OK',
    (error: unknown) => reasonOf(error) ?? String(error),
  );

test('running calls finish, streams are told to resume elsewhere, and nobody gets in any more', async () => {
  await start({ noticeMs: 20, budgetMs: 5_000 });
  const client = createClient(EchoService, transport);
  const running = client.echo({ text: 'still here' });
  await begun.promise;
  const stream = client.count({ count: 1 })[Symbol.asyncIterator]();
  expect((await stream.next()).done).toBe(false);

  let drained = false;
  const draining = server.drain().then(() => {
    drained = true;
  });
  expect(await outcome(stream.next())).toBe('STREAM_ENDED');
  await vi.waitFor(async () => {
    const stranger = createClient(EchoService, createGrpcTransport({ baseUrl: `http://${server.address}` }));
    expect(await outcome(stranger.echo({}, { timeoutMs: 500 }))).toContain('ECONNREFUSED');
  });
  expect(drained).toBe(false);
  release();
  expect((await running).text).toBe('still here');
  await draining;
});

test('health says NOT_SERVING before anything is refused', async () => {
  await start({ noticeMs: 200, budgetMs: 1_000 });
  const health = createClient(HealthService, transport);
  expect(await health.check({})).toMatchObject({ status: ServingStatus.SERVING });
  const draining = server.drain();
  expect(await health.check({})).toMatchObject({ status: ServingStatus.NOT_SERVING });
  await draining;
});

test('what does not finish within the budget is ended with a reason', async () => {
  await start({ noticeMs: 0, budgetMs: 200 });
  const call = outcome(createClient(EchoService, transport).echo({}));
  await begun.promise;
  const startedMs = performance.now();
  await server.drain();
  expect(await call).toBe('SERVER_STOPPING');
  expect(performance.now() - startedMs).toBeLessThan(1_500);
});

test('draining twice is draining once', async () => {
  await start({ noticeMs: 0, budgetMs: 100 });
  await Promise.all([server.drain(), server.drain()]);
});
