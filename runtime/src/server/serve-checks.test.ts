// What a server refuses at start, in words that say what to do.

import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type ServiceImpl } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { testAuthority } from '../../test/certificates.ts';
import { EchoService, echoPolicy } from '../../test/echo.ts';
import { plain, serveEcho } from '../../test/echo-server.ts';
import { connect } from '../client/connect.ts';
import { closeEgress } from '../client/egress.ts';
import { implement } from './implement.ts';
import { type RunningServer, type ServeOptions, serve } from './serve.ts';

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

describe('options that cannot be meant', () => {
  const services = [implement(EchoService, plain)];
  const listen = '127.0.0.1:0';

  test.each<[string, Omit<ServeOptions, 'services' | 'listen'>, RegExp]>([
    ['a workload without policy', { workload: 'echo' }, /workload says .* policy, .* is missing: give both or neither/],
    ['policy without a workload', { policy: echoPolicy }, /policy says .* workload is missing: give both or neither/],
    [
      'an authority that nobody is checked by',
      { tls: { cert: '', key: '', ca: 'x' } },
      /tls\.ca .* tls\.clientCertificate/,
    ],
    [
      'certificates that nobody can have signed',
      { tls: { cert: '', key: '', clientCertificate: 'require' } },
      /tls\.clientCertificate "require" needs tls\.ca/,
    ],
    ['a limit of nothing', { limits: { readMaxBytes: 0 } }, /limits\.readMaxBytes is 0: give a whole number above 0/],
    ['a limit that is no number', { limits: { headerMaxCount: Number.NaN } }, /limits\.headerMaxCount is NaN/],
    [
      'a limit that does not exist',
      { limits: { readMaxByte: 1 } as object },
      /limits\.readMaxByte is not known: choose/,
    ],
    ['no limit where there must be one', { limits: { readMaxBytes: Infinity } }, /limits\.readMaxBytes is Infinity/],
    ['a way with errors that is none', { errors: 'none' as 'catalogue' }, /errors is "none": choose "catalogue" or/],
  ])('%s', async (_name, options, refusal) => {
    await expect(serve({ ...options, services, listen })).rejects.toThrow(refusal);
  });
});

describe('certificates that cannot be used', () => {
  const services = [implement(EchoService, plain)];

  test('what is no certificate, a key of another, one that has expired', async () => {
    const authority = await testAuthority();
    const [one, other, old] = [await authority.sign(), await authority.sign(), await authority.sign(-1)];
    const refusal = (cert: string, key: string) =>
      serve({ services, listen: '127.0.0.1:0', tls: { cert, key } }).catch((error: Error) => error.message);
    expect(await refusal('secret', one.key)).toContain('tls.cert is no certificate: give its PEM');
    expect(await refusal(one.cert, 'secret')).toContain('tls.key cannot be used with tls.cert');
    expect(await refusal(one.cert, other.key)).toContain('give the PEM of the private key of that certificate');
    expect(await refusal(old.cert, old.key)).toMatch(/tls\.cert is valid from .* not now: renew it/);
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
