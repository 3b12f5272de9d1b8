import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EchoService, echoPolicy } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import { connect } from '../client/connect.ts';
import { reasonOf } from '../errors/fail.ts';
import { currentCall } from './call.ts';
import type { RunningServer } from './serve.ts';

let server: RunningServer;

beforeAll(async () => {
  server = await serveEcho({ echo: ({ text, count }) => ({ text: `${text} ${currentCall()?.rpc}`, count }) });
});
afterAll(() => server.close());

describe('all four kinds of RPC', () => {
  const transports = {
    gRPC: () => createGrpcTransport({ baseUrl: `http://${server.address}` }),
    'gRPC-Web': () => createGrpcWebTransport({ baseUrl: `http://${server.address}`, httpVersion: '2' }),
    Connect: () => createConnectTransport({ baseUrl: `http://${server.address}`, httpVersion: '2' }),
  };
  test.each(Object.entries(transports))('over %s', async (_name, transport) => {
    const client = createClient(EchoService, transport());
    expect(await client.echo({ text: 'hi', count: 3 })).toMatchObject({
      text: 'hi weft.test.v1.EchoService/Echo',
      count: 3,
    });
    const counted = await Array.fromAsync(client.count({ text: 'n', count: 3 }));
    expect(counted.map(({ count }) => count)).toEqual([1, 2, 3]);
    async function* requests() {
      yield { count: 4, text: 'a' };
      yield { count: 5, text: 'b' };
    }
    expect((await client.sum(requests())).count).toBe(9);
    const said = await Array.fromAsync(client.chat(requests()));
    expect(said.map(({ text }) => text)).toEqual(['a', 'b']);
  });

  test('by connect()', async () => {
    const client = connect(EchoService, { egress: server.address, policy: echoPolicy });
    expect((await client.echo({ text: 'hi', count: 3 })).count).toBe(3);
    const failure = await client.echo({ count: 2_000 }).catch((error: unknown) => error);
    expect(reasonOf(failure)).toBe('INVALID_FIELD');
  });
});
