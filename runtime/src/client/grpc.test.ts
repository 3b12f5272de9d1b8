import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EchoResponse, EchoService } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import type { RunningServer } from '../server/serve.ts';
import { type GrpcClient, grpcClient, serviceDefinition } from './grpc.ts';

describe.each(['tcp', 'unix'])('grpc-js calls all four kinds over %s', (kind) => {
  let folder: string;
  let server: RunningServer;
  let client: GrpcClient<typeof EchoService>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-rpc-'));
    server = await serveEcho({}, { listen: kind === 'unix' ? `unix:${folder}/echo.sock` : '127.0.0.1:0' });
    client = grpcClient(EchoService, server.address);
  });
  afterAll(async () => {
    client.close();
    await server.close();
    await rm(folder, { recursive: true });
  });

  test('unary', async () => {
    const answer = await new Promise<EchoResponse | undefined>((resolve, reject) => {
      client.echo({ text: 'hi', count: 2 }, (error, response) => (error ? reject(error) : resolve(response)));
    });
    expect(answer).toMatchObject({ text: 'hi', count: 2 });
  });

  test('a unary failure has status, message and details', async () => {
    const error = await new Promise<ServiceError | null>((resolve) => {
      client.echo({ count: 2_000 }, new Metadata(), { deadline: Date.now() + 5_000 }, (failure) => resolve(failure));
    });
    expect(error?.code).toBe(status.INVALID_ARGUMENT);
    expect(error?.details).toContain('count');
    expect(error?.metadata.get('grpc-status-details-bin').toString()).toContain('INVALID_FIELD');
  });

  test('server stream', async () => {
    const messages: EchoResponse[] = await client.count({ text: 'n', count: 3 }).toArray();
    expect(messages.map(({ count }) => count)).toEqual([1, 2, 3]);
  });

  test('client stream', async () => {
    const sum = await new Promise<number | undefined>((resolve, reject) => {
      const call = client.sum((error, response) => (error ? reject(error) : resolve(response?.count)));
      call.write({ count: 4 });
      call.write({ count: 5 });
      call.end();
    });
    expect(sum).toBe(9);
  });

  test('bidirectional stream', async () => {
    const call = client.chat();
    call.write({ text: 'a' });
    call.write({ text: 'b' });
    call.end();
    const messages: EchoResponse[] = await call.toArray();
    expect(messages.map(({ text }) => text)).toEqual(['a', 'b']);
  });

  test('a deadline of its own holds', async () => {
    const code = await new Promise((resolve) => {
      client.echo({}, new Metadata(), { deadline: Date.now() - 1 }, (error) => resolve(error?.code));
    });
    expect(code).toBe(status.DEADLINE_EXCEEDED);
  });
});

test('the same definition serves a grpc-js server', async () => {
  const server = new Server();
  server.addService(serviceDefinition(EchoService), {
    echo: (call: { request: { text: string } }, callback: (error: null, answer: object) => void) =>
      callback(null, { text: call.request.text.toUpperCase() }),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = createClient(EchoService, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }));
  expect((await client.echo({ text: 'hi' })).text).toBe('HI');
  server.forceShutdown();
});
