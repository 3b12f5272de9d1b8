// What the one port speaks, and whom it does not wait for.

import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect as http2Connect } from 'node:http2';
import { type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type TestAuthority, type TestIdentity, testAuthority } from '../../test/certificates.ts';
import { EchoService } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import type { RunningServer, ServeOptions } from './serve.ts';

let authority: TestAuthority;
let identity: TestIdentity;
const running: RunningServer[] = [];

beforeAll(async () => {
  authority = await testAuthority();
  identity = await authority.sign();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(running.splice(0).map((server) => server.close()));
});
async function start(options: Partial<ServeOptions>) {
  const server = await serveEcho({}, options);
  running.push(server);
  return server;
}

const portOf = ({ address }: RunningServer) => Number(address.split(':').at(-1));

/** Calls one RPC of each kind that the protocol has over this version of HTTP. */
async function callAll(server: RunningServer, protocol: string, httpVersion: '1.1' | '2', isSecure: boolean) {
  const baseUrl = `${isSecure ? 'https' : 'http'}://localhost:${portOf(server)}`;
  const nodeOptions = { ca: authority.ca };
  const transport =
    protocol === 'gRPC'
      ? createGrpcTransport({ baseUrl, nodeOptions })
      : protocol === 'gRPC-Web'
        ? createGrpcWebTransport({ baseUrl, httpVersion, nodeOptions })
        : createConnectTransport({ baseUrl, httpVersion, nodeOptions });
  const client = createClient(EchoService, transport);
  expect((await client.echo({ text: 'hi' })).text).toBe('hi');
  expect(await Array.fromAsync(client.count({ count: 3 }))).toHaveLength(3);
  async function* requests() {
    yield { count: 4 };
    yield { count: 5 };
  }
  expect((await client.sum(requests())).count).toBe(9);
}

describe('one port', () => {
  const cases = [
    ['gRPC', '2'],
    ['gRPC-Web', '2'],
    ['gRPC-Web', '1.1'],
    ['Connect', '2'],
    ['Connect', '1.1'],
  ] as const;

  test.each(cases)('speaks %s over HTTP/%s in cleartext', async (protocol, version) => {
    await callAll(await start({ http1: true, listen: 'localhost:0' }), protocol, version, false);
  });

  test.each(cases)('speaks %s over HTTP/%s with TLS', async (protocol, version) => {
    await callAll(await start({ http1: true, tls: identity, listen: 'localhost:0' }), protocol, version, true);
  });

  test('speaks HTTP/2 alone unless it is told otherwise', async () => {
    const server = await start({});
    const request = httpRequest({ host: '127.0.0.1', port: portOf(server), path: '/' });
    request.end();
    await expect(once(request, 'response')).rejects.toThrow();
  });

  test('drains callers of HTTP/1.1 too', async () => {
    const begun = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const server = await serveEcho(
      {
        async echo() {
          begun.resolve();
          await finish.promise;
          return { text: 'done' };
        },
      },
      { http1: true, listen: 'localhost:0', drain: { noticeMs: 1 } },
    );
    const transport = createConnectTransport({ baseUrl: `http://localhost:${portOf(server)}`, httpVersion: '1.1' });
    const client = createClient(EchoService, transport);
    expect(await Array.fromAsync(client.count({ count: 1 }))).toHaveLength(1);
    const last = client.echo({});
    await begun.promise;
    const drained = server.drain();
    finish.resolve();
    expect((await last).text).toBe('done');
    await drained;
  });
});

describe('client certificates', () => {
  const options = () => ({ tls: { ...identity, ca: authority.ca, clientCertificate: 'require' as const } });

  test('are asked for and believed', async () => {
    const server = await start(options());
    const nodeOptions = { ca: authority.ca, ...(await authority.sign()) };
    const transport = createGrpcTransport({ baseUrl: `https://127.0.0.1:${portOf(server)}`, nodeOptions });
    expect((await createClient(EchoService, transport).echo({ text: 'hi' })).text).toBe('hi');
  });

  test.each([
    ['none', async () => ({})],
    ['one of another authority', async () => (await testAuthority()).sign()],
    ['one that has expired', () => authority.sign(-1)],
  ])('%s is refused', async (_name, identityOf) => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const server = await start(options());
    const nodeOptions = { ca: authority.ca, ...(await identityOf()) };
    const transport = createGrpcTransport({ baseUrl: `https://127.0.0.1:${portOf(server)}`, nodeOptions });
    await expect(createClient(EchoService, transport).echo({ text: 'hi' })).rejects.toThrow();
  });
});

describe('nobody is waited for', () => {
  const closed = (socket: Socket) => once(socket, 'close');
  const limits = { handshakeMaxMs: 200, idleConnectionMs: 200 };

  test('who connects and says nothing, where the version of HTTP is still open', async () => {
    const server = await start({ http1: true, limits });
    await closed(tcpConnect(portOf(server), '127.0.0.1'));
  });

  test('who begins an HTTP/2 preface and does not go on', async () => {
    const server = await start({ http1: true, limits });
    const socket = tcpConnect(portOf(server), '127.0.0.1');
    socket.write('PRI * H');
    await closed(socket);
  });

  test('who says nothing to a port of HTTP/2 alone', async () => {
    const server = await start({ limits });
    const socket = tcpConnect(portOf(server), '127.0.0.1');
    socket.resume();
    await closed(socket);
  });

  test('who does not shake hands', async () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const server = await start({ tls: identity, limits });
    const socket = tcpConnect(portOf(server), '127.0.0.1');
    socket.resume();
    await closed(socket);
  });

  test('who sends the headers of HTTP/1.1 one by one for ever', async () => {
    const server = await start({ http1: true, limits });
    const socket = tcpConnect(portOf(server), '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.write('POST /x HTTP/1.1\r\nhost: x\r\n');
    const drip = setInterval(() => socket.write('x-more: y\r\n'), 50);
    await closed(socket).finally(() => clearInterval(drip));
  }, 20_000);

  test('who has not called for long, while a call that is quiet goes on', async () => {
    const finish = Promise.withResolvers<void>();
    const server = await serveEcho(
      {
        async echo() {
          await finish.promise;
          return { text: 'late' };
        },
      },
      { limits },
    );
    running.push(server);
    const idle = http2Connect(`http://${server.address}`);
    const busy = createClient(EchoService, createGrpcTransport({ baseUrl: `http://${server.address}` }));
    const late = busy.echo({});
    await once(idle, 'close');
    await new Promise((resolve) => setTimeout(resolve, limits.idleConnectionMs * 2));
    finish.resolve();
    expect((await late).text).toBe('late');
  });
});

test('a caller that offers no protocol over TLS is left, where only HTTP/2 is spoken', async () => {
  const server = await start({ tls: identity });
  const socket = tlsConnect({ port: portOf(server), host: '127.0.0.1', ca: authority.ca });
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'close');
});
