// What a server refuses at start, in words that say what to do.

import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type ServiceImpl } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EchoService, echoPolicy } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import { connect } from '../client/connect.ts';
import { closeEgress } from '../client/egress.ts';
import { implement } from './implement.ts';
import type { RunningServer } from './serve.ts';

let folder: string;
const running: RunningServer[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-rpc-'));
});
afterEach(async () => {
  closeEgress();
  await Promise.all(running.splice(0).map((server) => server.close()));
  await rm(folder, { recursive: true });
});
async function start(...args: Parameters<typeof serveEcho>) {
  const server = await serveEcho(...args);
  running.push(server);
  return server;
}

describe('services that could not keep their promises', () => {
  const echo = implement(EchoService, { echo: () => ({}) } as unknown as ServiceImpl<typeof EchoService>);

  test('one that is implemented twice', async () => {
    await expect(serveEcho({}, { services: [echo, echo] })).rejects.toThrow(
      'weft.test.v1.EchoService is implemented twice',
    );
  });
  test('one that lacks methods: each is named', async () => {
    await expect(serveEcho({}, { services: [echo] })).rejects.toThrow(
      /Count is not implemented: add count\(\).*Sum is not.*Chat is not/s,
    );
  });
  test('one without policy', async () => {
    await expect(serveEcho({}, { policy: {} })).rejects.toThrow(
      'Echo has no policy: set option (weft.mesh.v1.method) on it',
    );
  });
  test('one of another workload', async () => {
    await expect(serveEcho({}, { workload: 'pricing' })).rejects.toThrow(
      'Echo belongs to the workload echo, and this is pricing',
    );
  });
});

describe('addresses that cannot be had', () => {
  test('a port that is taken', async () => {
    const { address } = await start();
    await expect(serveEcho({}, { listen: address })).rejects.toThrow(
      `cannot listen on ${address}: another process does`,
    );
  });
  test('a socket on which somebody answers', async () => {
    const { address } = await start({}, { listen: `unix:${folder}/echo.sock` });
    await expect(serveEcho({}, { listen: address })).rejects.toThrow('another process does');
    expect((await connect(EchoService, { egress: address, policy: echoPolicy }).echo({ text: 'x' })).text).toBe('x');
  });
  test('a folder that does not exist', async () => {
    await expect(serveEcho({}, { listen: `unix:${folder}/no/echo.sock` })).rejects.toThrow('its folder does not exist');
  });
  test('a file that is no socket is not deleted', async () => {
    await writeFile(`${folder}/precious`, 'x');
    await expect(serveEcho({}, { listen: `unix:${folder}/precious` })).rejects.toThrow(
      'a file that is no socket is there',
    );
    expect((await stat(`${folder}/precious`)).size).toBe(1);
  });
});

describe('a Unix socket', () => {
  test('belongs to its user alone, and is gone when the server is', async () => {
    const server = await serveEcho({}, { listen: `unix:${folder}/echo.sock` });
    expect((await stat(`${folder}/echo.sock`)).mode & 0o777).toBe(0o600);
    await server.close();
    await expect(stat(`${folder}/echo.sock`)).rejects.toThrow('ENOENT');
  });

  test('that a dead process left is replaced', async () => {
    const path = `${folder}/echo.sock`;
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(path, resolve));
    // A killed process unlinks nothing: a second name keeps the file when the listener closes.
    const { link, rename } = await import('node:fs/promises');
    await link(path, `${path}.left`);
    await new Promise((resolve) => dead.close(resolve));
    await rename(`${path}.left`, path);
    await start({}, { listen: `unix:${path}` });
    expect((await connect(EchoService, { egress: `unix:${path}`, policy: echoPolicy }).echo({ text: 'x' })).text).toBe(
      'x',
    );
  });
});

test('HTTP/1.1 is not spoken: a sidecar speaks it to strangers', async () => {
  const { address } = await start();
  const transport = createConnectTransport({ baseUrl: `http://${address}`, httpVersion: '1.1' });
  await expect(createClient(EchoService, transport).echo({}, { timeoutMs: 2_000 })).rejects.toThrow();
});
