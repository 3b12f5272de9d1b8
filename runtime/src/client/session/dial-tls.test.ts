// Servers that show who they are, and those that show something else.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { Code } from '@connectrpc/connect';
import { beforeAll, describe, expect, test } from 'vitest';
import { type TestAuthority, type TestIdentity, testAuthority } from '../../../test/certificates.ts';
import { EchoService } from '../../../test/echo.ts';
import { serveEcho } from '../../../test/echo-server.ts';
import type { ServerTls } from '../../server/tls.ts';
import { type ConnectOptions, connect } from '../connect.ts';
import { atEnd, failureOf, listening, stopAtEnd } from '../testing.ts';
import { type ClientTls, tlsIdentity } from './dial-tls.ts';

stopAtEnd();

let authority: TestAuthority;
let server: TestIdentity;
let caller: TestIdentity;
let other: TestAuthority;

beforeAll(async () => {
  authority = await testAuthority();
  other = await testAuthority();
  [server, caller] = await Promise.all([authority.sign(), authority.sign()]);
});

async function serveTls(tls: Partial<ServerTls> = {}, listen = '127.0.0.1:0', http1 = false) {
  const running = await serveEcho({}, { listen, tls: { ...server, ...tls }, http1 });
  atEnd(() => running.close());
  return running.address;
}

describe.each<[string, Partial<ConnectOptions>]>([
  ['the fast lane', {}],
  ['the adapter', { fastLane: false }],
  ['HTTP/1.1', { protocol: 'connect', httpVersion: '1.1' }],
])('by %s', (name, options) => {
  const call = (egress: string, tls: ClientTls) =>
    connect(EchoService, { ...options, egress, tls }).echo({ text: 'hi' }, { timeoutMs: 10_000 });
  const isHttp1 = name === 'HTTP/1.1';
  const serveIt = (tls: Partial<ServerTls> = {}, listen?: string) => serveTls(tls, listen, isHttp1);

  test('an authority of our own is trusted, by address and by name', async () => {
    const address = await serveIt();
    expect((await call(address, { ca: authority.ca })).text).toBe('hi');
    expect((await call(address, { ca: authority.ca, serverName: 'localhost' })).text).toBe('hi');
  });

  test('over a Unix socket the name is localhost', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-tls-'));
    atEnd(() => rmSync(folder, { recursive: true }));
    const address = await serveIt({}, `unix:${folder}/echo.sock`);
    expect((await call(address, { ca: authority.ca })).text).toBe('hi');
    await failureOf(call(address, { ca: authority.ca, serverName: 'elsewhere' }));
  });

  test('a caller shows its certificate, and one without is turned away', async () => {
    const address = await serveIt({ clientCertificate: 'require', ca: authority.ca });
    expect((await call(address, { ca: authority.ca, ...caller })).text).toBe('hi');
    const failure = await failureOf(call(address, { ca: authority.ca }));
    expect(isHttp1 ? [Code.Unavailable, Code.Aborted, Code.Internal] : [Code.Unavailable]).toContain(failure.code);
  });

  test.each<[string, () => ClientTls, string]>([
    ['another authority', () => ({ ca: other.ca }), 'certificate'],
    ['no authority that anybody knows', () => ({}), 'certificate'],
    ['another name', () => ({ ca: authority.ca, serverName: 'elsewhere' }), 'elsewhere'],
  ])('a server is not believed by %s, and why is said', async (_what, tls, said) => {
    const failure = await failureOf(call(await serveIt(), tls()));
    expect(failure.rawMessage).toContain(said);
    expect(isHttp1 ? [Code.Internal, Code.Unavailable] : [Code.Unavailable]).toContain(failure.code);
  });
});

test.each([
  ['speaks HTTP/1.1 only', ['http/1.1']],
  ['speaks of no protocol', undefined],
])('a server that %s is UNAVAILABLE', async (_what, protocols) => {
  const plain = createTlsServer({ ...server, ...(protocols === undefined ? {} : { ALPNProtocols: protocols }) });
  plain.on('secureConnection', (socket) => {
    socket.on('error', () => {});
    atEnd(() => socket.destroy());
  });
  plain.on('tlsClientError', () => {});
  const egress = await listening(plain);
  atEnd(() => plain.close());
  const client = connect(EchoService, { egress, tls: { ca: authority.ca } });
  expect((await failureOf(client.echo({}, { timeoutMs: 10_000 }))).code).toBe(Code.Unavailable);
});

test('a server without TLS is UNAVAILABLE, and so is one with it to a caller without', async () => {
  const plain = await serveEcho();
  atEnd(() => plain.close());
  const sessions = { connectMaxMs: 2_000 };
  const secure = connect(EchoService, { egress: plain.address, tls: { ca: authority.ca }, sessions });
  expect((await failureOf(secure.echo({}))).code).toBe(Code.Unavailable);
  const cleartext = connect(EchoService, { egress: await serveTls(), sessions });
  expect((await failureOf(cleartext.echo({}))).code).toBe(Code.Unavailable);
});

describe('what would fail at the first handshake is refused at once', () => {
  const client = (tls: ClientTls) => () => connect(EchoService, { egress: '127.0.0.1:1', tls });
  test('a certificate without its key, and the other way round', () => {
    expect(client({ cert: caller.cert })).toThrow('tls.cert needs tls.key');
    expect(client({ key: caller.key })).toThrow('tls.key needs tls.cert');
  });
  test('the key of another certificate', () => {
    expect(client({ cert: caller.cert, key: server.key })).toThrow('tls.key is not the key of tls.cert');
  });
  test('what is no PEM', () => {
    expect(client({ ca: 'x' })).toThrow('tls.ca is no certificate');
    expect(client({ cert: 'x', key: caller.key })).toThrow('tls.cert is no certificate');
    expect(client({ cert: caller.cert, key: 'x' })).toThrow('tls.key is no private key');
  });
});

test('connections are shared by the same options only, and their key tells nothing of the secret', () => {
  const identities = [{}, { ca: authority.ca }, caller, server, { serverName: 'a' }].map(tlsIdentity);
  expect(new Set(identities).size).toBe(identities.length);
  expect(tlsIdentity({ ...caller })).toBe(tlsIdentity(caller));
  expect(identities.join()).not.toContain('PRIVATE');
});
