import { Code, ConnectError, createClient } from '@connectrpc/connect';
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

const transports = {
  gRPC: ({ address }: RunningServer) => createGrpcTransport({ baseUrl: `http://${address}` }),
  'gRPC-Web': ({ address }: RunningServer) =>
    createGrpcWebTransport({ baseUrl: `http://${address}`, httpVersion: '2' }),
  Connect: ({ address }: RunningServer) => createConnectTransport({ baseUrl: `http://${address}`, httpVersion: '2' }),
};

describe('all four kinds of RPC', () => {
  test.each(Object.entries(transports))('over %s', async (_name, transport) => {
    const client = createClient(EchoService, transport(server));
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

describe('a plain ConnectError of a handler keeps its status', () => {
  const codes = Object.values(Code).filter((code): code is Code => typeof code === 'number');

  test.each(Object.entries(transports))('over %s', async (_name, transport) => {
    const failing = await serveEcho({
      echo: ({ count }) => {
        throw new ConnectError('as I say', count);
      },
    });
    try {
      const client = createClient(EchoService, transport(failing));
      for (const code of codes) {
        const error = ConnectError.from(await client.echo({ count: code }).catch((caught: unknown) => caught));
        const isFault = [Code.Internal, Code.Unknown, Code.DataLoss].includes(code);
        expect([error.code, error.rawMessage]).toEqual(
          isFault ? [Code.Internal, 'The server failed.'] : [code, 'as I say'],
        );
      }
    } finally {
      await failing.close();
    }
  });
});
