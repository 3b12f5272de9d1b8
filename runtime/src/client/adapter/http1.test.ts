// Callees that only HTTP/1.1 reaches, and what caches understand.

import { createServer } from 'node:http';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { describe, expect, test, vi } from 'vitest';
import { EchoService } from '../../../test/echo.ts';
import { serveEcho } from '../../../test/echo-server.ts';
import { LanesService } from '../../../test/lanes/contract.ts';
import { connect } from '../connect.ts';
import { closeEgress } from '../egress.ts';
import { atEnd, failureOf, listening, message, serveRaw, stopAtEnd } from '../testing.ts';

stopAtEnd();

describe.each(['connect', 'grpc-web'] as const)('%s over HTTP/1.1', (protocol) => {
  test('reaches a server, keeps its connection, and shares it with other clients', async () => {
    const server = await serveEcho({}, { http1: true });
    atEnd(() => server.close());
    const clients = [1, 2].map(() => connect(EchoService, { egress: server.address, protocol, httpVersion: '1.1' }));
    for (const client of clients) {
      for (let n = 0; n < 5; n += 1) {
        expect((await client.echo({ text: 'hi', count: n })).count).toBe(n);
      }
    }
    expect((await failureOf(clients[0]?.echo({ count: 5_000 }) ?? Promise.resolve())).code).toBe(Code.InvalidArgument);
  });
});

test('one connection of HTTP/1.1 serves call after call, of whichever client', async () => {
  const sockets = new Set<unknown>();
  const server = createServer((request, response) => {
    sockets.add(request.socket);
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/proto' }).end(message('hi'));
    });
  });
  const egress = await listening(server);
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  const clientOf = () => connect(EchoService, { egress, protocol: 'connect', httpVersion: '1.1' });
  for (let n = 0; n < 10; n += 1) {
    expect((await clientOf().echo({})).text).toBe('hi');
  }
  expect(sockets.size).toBe(1);
  closeEgress();
  expect((await clientOf().echo({})).text).toBe('hi');
  expect(sockets.size).toBe(2);
});

test.each(['127.0.0.1:1', 'unix:/nonexistent/weft.sock'])('nobody at %s is told at once', async (egress) => {
  const client = connect(EchoService, { egress, protocol: 'connect', httpVersion: '1.1' });
  expect((await failureOf(client.echo({}, { timeoutMs: 10_000 }))).code).toBe(Code.Unavailable);
});

test('an RPC without side effects is asked by GET, and others are not', async () => {
  const look = LanesService.method.look;
  expect(look.idempotency).toBe(MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS);
  const asked: string[] = [];
  const raw = await serveRaw(({ stream, headers }) => {
    asked.push(`${headers[':method']} ${String(headers[':path']).split('?')[0]}`);
    stream.resume();
    stream.respond({ ':status': 200, 'content-type': 'application/proto' });
    stream.end();
  });
  const lanes: string[] = [];
  const client = connect(LanesService, {
    egress: raw.address,
    protocol: 'connect',
    useHttpGet: true,
    onLane: (lane) => void lanes.push(lane),
  });
  await client.look({});
  await client.ask({});
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked).toEqual([`GET /${LanesService.typeName}/Look`, `POST /${LanesService.typeName}/Ask`]);
  expect(lanes).toEqual(['adapter', 'fast']);
});
