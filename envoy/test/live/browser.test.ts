/** Connect and gRPC-Web at the edge, as a browser speaks them: answers, refusals and CORS. On the real Envoy. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExampleMesh, startExampleMesh } from '../support/example-mesh.ts';
import { frame, textMessage } from '../support/wire.ts';

const shelf = 'acme.shelf.v1.ShelfService';
const origin = 'http://localhost:5173';
let mesh: ExampleMesh;

beforeAll(async () => {
  mesh = await startExampleMesh();
}, 60_000);
afterAll(() => mesh?.stop());

const ask = (path: string, init: RequestInit) => fetch(`http://127.0.0.1:${mesh.edgePort}/${path}`, init);

/** A unary Connect call. */
const connectCall = (rpc: string, script = '', headers: Record<string, string> = {}) =>
  ask(rpc, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin, ...headers },
    body: JSON.stringify({ script }),
  });

/** A unary gRPC-Web call. */
const grpcWebCall = (rpc: string, script = '', headers: Record<string, string> = {}) =>
  ask(rpc, {
    method: 'POST',
    headers: { 'content-type': 'application/grpc-web+proto', origin, ...headers },
    body: frame(textMessage(script)),
  });

describe('Connect', () => {
  test('a call is answered', async () => {
    const response = await connectCall(`${shelf}/GetBook`);
    expect(response.status).toBe(200);
    expect(await response.json()).toHaveProperty('saw');
  });

  test.each([
    ['unknown RPC', 'acme.none.v1.None/None', {}, 404, 'unimplemented'],
    ['internal RPC', `${shelf}/LendBook`, {}, 404, 'unimplemented'],
    ['no token', `${shelf}/BurnBook`, {}, 401, 'unauthenticated'],
    ['a token that is none', `${shelf}/GetBook`, { authorization: 'Bearer x' }, 401, 'unauthenticated'],
  ])('%s', async (_, rpc, headers, status, code) => {
    const response = await connectCall(rpc, '', headers);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(await response.json()).toMatchObject({ code, message: expect.stringMatching(/\w+/) });
  });

  test('a missing scope', async () => {
    const headers = { authorization: `Bearer ${await mesh.tokens.mint({ scopes: ['books:read'] })}` };
    const response = await connectCall(`${shelf}/BurnBook`, '', headers);
    expect(await response.json()).toEqual({
      code: 'permission_denied',
      message: `the token holds none of the scopes that ${shelf}/BurnBook asks for`,
    });
  });

  test('a deadline of its own is kept though the service never answers', async () => {
    const began = performance.now();
    const response = await connectCall(`${shelf}/GetBook`, 'hang', { 'connect-timeout-ms': '200' });
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ code: 'deadline_exceeded' });
    expect(performance.now() - began).toBeLessThan(900);
  });

  test('UNAVAILABLE is tried again', async () => {
    const response = await connectCall(`${shelf}/GetBook`, 'fail-first:1');
    expect(response.status).toBe(200);
    expect(mesh.shelf.withScript('fail-first:1')).toHaveLength(2);
  });

  test('an overload of the service is resource_exhausted', async () => {
    const responses = await Promise.all(Array.from({ length: 8 }, () => connectCall(`${shelf}/GetBook`, 'hold:300')));
    const refused = responses.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(await refused[0]?.json()).toMatchObject({ code: 'resource_exhausted' });
  });

  test('a rate limit', async () => {
    let response = await connectCall(`${shelf}/BrowseBooks`);
    for (let i = 0; i < 5 && response.status === 200; i += 1) response = await connectCall(`${shelf}/BrowseBooks`);
    expect(response.status).toBe(429);
    const message = 'rate limit exceeded; try again in a second';
    expect(await response.json()).toMatchObject({ code: 'resource_exhausted', message });
  });
});

describe('gRPC-Web', () => {
  test('a call is answered', async () => {
    const response = await grpcWebCall(`${shelf}/GetBook`);
    expect(response.headers.get('content-type')).toBe('application/grpc-web+proto');
    expect(Buffer.from(await response.arrayBuffer()).toString()).toContain('grpc-status:0');
  });

  test.each([
    ['unknown RPC', 'acme.none.v1.None/None', '', 12],
    ['no token', `${shelf}/BurnBook`, '', 16],
    ['deadline', `${shelf}/GetBook`, 'hang', 4],
  ])('%s', async (_, rpc, script, status) => {
    const response = await grpcWebCall(rpc, script);
    expect(Number(response.headers.get('grpc-status'))).toBe(status);
    expect(response.headers.get('grpc-message')).toMatch(/\w+/);
  });

  test('a token for another audience', async () => {
    const headers = { authorization: `Bearer ${await mesh.tokens.mint({ audience: 'another' })}` };
    expect((await grpcWebCall(`${shelf}/BurnBook`, '', headers)).headers.get('grpc-status')).toBe('16');
  });

  test('a rate limit', async () => {
    const seen: (string | null)[] = [];
    for (let i = 0; i < 6; i += 1) seen.push((await grpcWebCall(`${shelf}/BrowseBooks`)).headers.get('grpc-status'));
    expect(seen).toContain('8');
  });
});

describe('CORS', () => {
  const preflight = (from: string) =>
    ask(`${shelf}/BurnBook`, {
      method: 'OPTIONS',
      headers: {
        origin: from,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,connect-protocol-version,connect-timeout-ms',
      },
    });

  test.each(['http://localhost:5173', 'http://127.0.0.1:4711', 'http://localhost'])('%s is let in', async (from) => {
    const response = await preflight(from);
    expect(response.status).toBe(200);
    expect(response.headers.get('access-control-allow-origin')).toBe(from);
    const allowed = response.headers.get('access-control-allow-headers')?.split(',');
    expect(allowed).toEqual(
      expect.arrayContaining(['authorization', 'connect-protocol-version', 'connect-timeout-ms']),
    );
  });

  test.each(['http://evil.example', 'http://localhost.evil.example', 'http://evil.example/http://localhost'])(
    '%s is not',
    async (from) => {
      const response = await preflight(from);
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
    },
  );

  test('a page may read the status, its details and the trace', async () => {
    const response = await connectCall(`${shelf}/GetBook`);
    const exposed = response.headers.get('access-control-expose-headers')?.split(',');
    const names = ['grpc-status', 'grpc-message', 'grpc-status-details-bin', 'x-weft-trace-id'];
    expect(exposed).toEqual(expect.arrayContaining(names));
    expect(response.headers.get('x-weft-trace-id')).toMatch(/^[0-9a-f]{32}$/);
  });
});
