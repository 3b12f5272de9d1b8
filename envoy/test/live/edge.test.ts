/** What the edge lets in from outside, and what it lets strangers say. On the real Envoy. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TokenMint, type TokenOptions } from '../../../dev/src/tokens.ts';
import { type ExampleMesh, startExampleMesh } from '../support/example-mesh.ts';
import { type GrpcClient, headersSeen } from '../support/grpc-client.ts';

const shelf = 'acme.shelf.v1.ShelfService';
const desk = 'acme.desk.v1.DeskService';
let mesh: ExampleMesh;
let client: GrpcClient;

beforeAll(async () => {
  mesh = await startExampleMesh();
  client = mesh.stranger();
}, 60_000);
afterAll(() => mesh?.stop());

const bearer = async (options: TokenOptions) => ({ authorization: `Bearer ${await mesh.tokens.mint(options)}` });

describe('exposure', () => {
  test('PUBLIC is open to anyone', async () => {
    const answer = await client.call({ rpc: `${shelf}/GetBook` });
    expect(answer.status).toBe(0);
    expect(headersSeen(answer)['x-weft-claims']).toBeUndefined();
  });

  test.each([
    `${shelf}/LendBook`,
    `${shelf}/Nothing`,
    'acme.none.v1.None/None',
    'grpc.channelz.v1.Channelz/GetServers',
  ])('what is not exposed is UNIMPLEMENTED: %s', async (rpc) => {
    const headers = { ...(await bearer({ scopes: ['books:burn'] })), 'x-weft-nowhere': 'shelf' };
    expect(await client.call({ rpc, headers })).toMatchObject({ status: 12, message: 'the edge offers no such RPC' });
  });

  test('AUTHENTICATED wants a token', async () => {
    const answer = await client.call({ rpc: `${shelf}/BurnBook` });
    expect(answer).toMatchObject({ status: 16, message: expect.stringContaining('authorization: Bearer') });
  });

  test('a token in the address counts as none', async () => {
    const { authorization = '' } = await bearer({ scopes: ['books:burn'] });
    const token = authorization.replace('Bearer ', '');
    const burn = (query: string, headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${mesh.edgePort}/${shelf}/BurnBook${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{}',
      });
    expect((await burn(`?access_token=${token}`)).status).toBe(401);
    expect((await burn('', { authorization })).status).toBe(200);
  });

  test('AUTHENTICATED wants one of its scopes', async () => {
    const order = async (scopes: string[]) => {
      return (await client.call({ rpc: `${desk}/OrderBook`, headers: await bearer({ scopes }) })).status;
    };
    expect(await order(['books:burn'])).toBe(7);
    expect(await order(['books:orders', 'xbooks:order'])).toBe(7);
    expect(await order([])).toBe(7);
    expect(await order(['books:order'])).toBe(0);
    expect(await order(['other', 'books:admin'])).toBe(0);
  });

  test('the service gets the verified claims, not the token', async () => {
    const headers = await bearer({ subject: 'ann', scopes: ['books:burn'] });
    const seen = headersSeen(await client.call({ rpc: `${shelf}/BurnBook`, headers }));
    const claims = JSON.parse(Buffer.from(seen['x-weft-claims'] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ sub: 'ann', scope: 'books:burn', iss: 'https://weft.local' });
    expect(seen.authorization).toBeUndefined();
  });

  test.each<[string, TokenOptions]>([
    ['expired', { ttlSeconds: -60 }],
    ['of another issuer', { issuer: 'https://elsewhere.example' }],
    ['for another audience', { audience: 'another' }],
  ])('a token that is %s is refused, also where none is needed', async (_, options) => {
    const headers = await bearer(options);
    expect((await client.call({ rpc: `${shelf}/BurnBook`, headers })).status).toBe(16);
    expect((await client.call({ rpc: `${shelf}/GetBook`, headers })).status).toBe(16);
  });

  test('a token of an unknown key is refused', async () => {
    const headers = { authorization: `Bearer ${await (await TokenMint.foreign()).mint({})}` };
    expect((await client.call({ rpc: `${shelf}/BurnBook`, headers })).status).toBe(16);
  });

  test('health is answered for the edge', async () => {
    expect((await client.call({ rpc: 'grpc.health.v1.Health/Check' })).status).toBe(0);
  });
});

describe('what strangers may not say', () => {
  test('headers of the mesh are removed, and traces begin at the edge', async () => {
    const traceId = '11111111111111111111111111111111';
    const answer = await client.call({
      rpc: `${shelf}/GetBook`,
      headers: {
        'x-weft-claims': 'eyJzdWIiOiJyb290In0',
        'x-weft-other': '1',
        'x-envoy-upstream-alt-stat-name': 'x',
        'x-envoy-original-path': '/x',
        'x-forwarded-client-cert': 'URI=spiffe://weft.local/desk',
        'x-forwarded-for': '203.0.113.7',
        'x-request-id': 'mine',
        traceparent: `00-${traceId}-2222222222222222-01`,
        tracestate: 'a=b',
      },
    });
    const seen = headersSeen(answer);
    for (const name of ['x-weft-claims', 'x-weft-other', 'x-envoy-upstream-alt-stat-name', 'x-envoy-original-path']) {
      expect(seen[name]).toBeUndefined();
    }
    expect(seen['x-forwarded-client-cert']).toMatch(/URI=spiffe:\/\/weft\.local\/edge$/);
    expect(seen['x-forwarded-for']).toBeUndefined();
    expect(seen['x-request-id']).not.toBe('mine');
    expect(seen.tracestate).not.toBe('a=b');
    expect(seen.traceparent).not.toContain(traceId);
    expect(seen.traceparent).toContain(answer.metadata['x-weft-trace-id']);
  });

  test('a stranger cannot order retries', async () => {
    const script = 'fail-first:9:5:edge';
    const headers = { 'x-envoy-retry-on': '5xx,retriable-status-codes', 'x-envoy-retry-grpc-on': 'not-found' };
    await client.call({ rpc: `${shelf}/GetBook`, script, headers });
    expect(mesh.shelf.withScript(script)).toHaveLength(1);
  });
});

describe('limits', () => {
  /** Calls until refused; at most 10 times. */
  const allowed = async (headers: Record<string, string>) => {
    for (let count = 0; count < 10; count += 1) {
      const { status } = await client.call({ rpc: `${shelf}/BrowseBooks`, headers });
      if (status === 8) return count;
    }
    return 10;
  };

  test('each subject has a bucket of its own, and so has the address of those without a token', async () => {
    const ann = await bearer({ subject: 'ann' });
    const bob = await bearer({ subject: 'bob' });
    for (const headers of [ann, bob, {}]) expect(await allowed(headers)).toBeOneOf([3, 4]);
    const refused = await client.call({ rpc: `${shelf}/BrowseBooks`, headers: ann });
    expect(refused).toMatchObject({ status: 8, message: 'rate limit exceeded; try again in a second' });
    expect(refused.metadata).toMatchObject({ 'x-ratelimit-limit': '3', 'x-ratelimit-remaining': '0' });
  });

  test('another x-forwarded-for is no other client', async () => {
    await allowed({});
    const refused = await allowed({ 'x-forwarded-for': '198.51.100.1' });
    expect(refused).toBeLessThan(2);
  });

  test('deadlines of strangers are clamped too', async () => {
    const answer = await client.call({ rpc: `${shelf}/GetBook`, headers: { 'grpc-timeout': '1H' } });
    expect(headersSeen(answer)['grpc-timeout']).toBe('1000m');
  });
});
