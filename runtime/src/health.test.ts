import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EchoService } from '../test/echo.ts';
import { serveEcho } from '../test/echo-server.ts';
import { reasonOf } from './errors/fail.ts';
import { HealthService, ServingStatus } from './health.ts';
import type { RunningServer } from './server/serve.ts';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = ServingStatus;
const service = EchoService.typeName;
let server: RunningServer;
beforeEach(async () => {
  server = await serveEcho();
});
afterEach(() => server.close());
const clientOf = () => createClient(HealthService, createGrpcTransport({ baseUrl: `http://${server.address}` }));

test('the process and each service are SERVING, and say so to whoever asks', async () => {
  const health = clientOf();
  expect((await health.check({})).status).toBe(SERVING);
  expect((await health.check({ service })).status).toBe(SERVING);
  const { statuses } = await health.list({});
  expect(Object.fromEntries(Object.entries(statuses).map(([name, { status }]) => [name, status]))).toEqual({
    '': SERVING,
    [service]: SERVING,
  });
});

test('a service can be out while the process is in', async () => {
  server.health.set(service, false);
  expect((await clientOf().check({ service })).status).toBe(NOT_SERVING);
  expect((await clientOf().check({})).status).toBe(SERVING);
});

test('a service that nobody knows is NOT_FOUND', async () => {
  const failure = await clientOf()
    .check({ service: 'nobody' })
    .catch((error: unknown) => error);
  expect(reasonOf(failure)).toBe('SERVICE_UNKNOWN');
});

test('a watcher hears each change, also of a service that appears later', async () => {
  const known = clientOf().watch({ service })[Symbol.asyncIterator]();
  const later = clientOf().watch({ service: 'later' })[Symbol.asyncIterator]();
  const next = async (watch: typeof known) => (await watch.next()).value?.status;
  expect(await next(known)).toBe(SERVING);
  expect(await next(later)).toBe(SERVICE_UNKNOWN);
  server.health.set(service, false);
  expect(await next(known)).toBe(NOT_SERVING);
  server.health.set('later', true);
  expect(await next(later)).toBe(SERVING);
  server.health.set(service, true);
  expect(await next(known)).toBe(SERVING);
});
