/** What operations see: one trace from the edge to the callee, access logs, the admin socket, statistics. On the real Envoy. */
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../../../dev/src/wait.ts';
import { type ExampleMesh, startExampleMesh } from '../support/example-mesh.ts';
import { type GrpcClient, headersSeen } from '../support/grpc-client.ts';

const shelf = 'acme.shelf.v1.ShelfService';
let mesh: ExampleMesh;
let client: GrpcClient;

beforeAll(async () => {
  mesh = await startExampleMesh();
  client = mesh.stranger();
}, 60_000);
afterAll(() => mesh?.stop());

describe('traces', () => {
  /** Everything the collector got, as Latin-1: ids are bytes in it, names are text. */
  const collected = () =>
    mesh.spans.map((body) => (body[0] === 0x1f ? gunzipSync(body) : body).toString('latin1')).join('');

  test('edge, sidecar and response header have one trace, and spans bear the name of the RPC', async () => {
    const answer = await client.call({ rpc: `${shelf}/GetBook` });
    const trace = answer.metadata['x-weft-trace-id'] ?? '';
    const bytes = Buffer.from(trace, 'hex').toString('latin1');
    const spans = () => collected().split(bytes).length - 1;
    await waitFor('the spans of edge and shelf', () => spans() >= 2, { withinMs: 10_000 });
    expect(headersSeen(answer).traceparent).toContain(trace);
    expect(collected()).toContain(`${shelf}/GetBook`);
    expect(collected()).toContain('shelf-envoy');
    const logged = () => ['edge', 'shelf'].map((w) => mesh.accessLog(w as 'edge').some((line) => line.trace === trace));
    await waitFor('the access logs', () => logged().every(Boolean), { withinMs: 5000 });
  });

  test('refusals of the edge tell their trace too', async () => {
    for (const rpc of [`${shelf}/BurnBook`, 'acme.none.v1.None/None']) {
      expect((await client.call({ rpc })).metadata['x-weft-trace-id']).toMatch(/^[0-9a-f]{32}$/);
    }
  });
});

describe('the access log', () => {
  test('says why a call was refused, and holds no query, address or token', async () => {
    await client.call({ rpc: `${shelf}/BurnBook?secret=1`, headers: { authorization: 'Bearer secret' } });
    const line = await waitFor(
      'the line',
      () => mesh.accessLog('edge').find(({ route }) => route === `${shelf}/BurnBook`),
      {
        withinMs: 5000,
      },
    );
    expect(line).toMatchObject({
      grpc: 'Unauthenticated',
      details: expect.stringContaining('jwt_authn'),
      listener: 'edge',
    });
    expect(JSON.stringify(mesh.accessLog('edge'))).not.toMatch(/secret|127\.0\.0\.1/);
  });

  test('leaves health checks out', async () => {
    expect(mesh.accessLog('shelf').filter(({ route }) => String(route).includes('Health'))).toEqual([]);
  });
});

describe('the admin socket', () => {
  test.each(['/ready', '/stats', '/stats?format=json&usedonly'])('%s is answered', async (path) => {
    expect((await mesh.admin('edge', path)).status).toBe(200);
  });

  test.each(['/config_dump', '/quitquitquit', '/certs', '/logging', '/clusters'])('%s is not', async (path) => {
    expect((await mesh.admin('edge', path)).status).toBe(403);
  });

  test('counts calls by callee, RPC and status', async () => {
    await client.call({ rpc: `${shelf}/GetBook` });
    await client.call({ rpc: `${shelf}/GetBook`, script: 'fail-first:9:5:count' });
    const { body } = await mesh.admin('edge', '/stats?usedonly&filter=^cluster\\.shelf\\.grpc\\.');
    expect(body).toMatch(new RegExp(`cluster.shelf.grpc.${shelf}.GetBook.5: [1-9]`));
    expect(body).toMatch(new RegExp(`cluster.shelf.grpc.${shelf}.GetBook.success: [1-9]`));
    const prometheus = await mesh.admin('edge', '/stats/prometheus?usedonly&filter=grpc');
    expect(prometheus.body).toContain(`envoy_cluster_grpc{weft_rpc="${shelf}.GetBook",grpc_code="5",callee="shelf"}`);
  });
});

test('a replica that says it drains loses its callers, and is back when it does no more', async () => {
  const healthy = async () => (await mesh.admin('edge', '/stats?filter=cluster.shelf.membership_healthy')).body.trim();
  await mesh.admin('shelf', '/healthcheck/fail');
  await waitFor('the edge to leave', async () => (await healthy()).endsWith(': 0'), { withinMs: 10_000 });
  const gone = await client.call({ rpc: `${shelf}/GetBook` });
  expect(gone).toMatchObject({ status: 14, message: 'the service cannot be reached at the moment; try again' });
  await mesh.admin('shelf', '/healthcheck/ok');
  const answered = async () => (await client.call({ rpc: `${shelf}/GetBook` })).status === 0;
  await waitFor('the edge to be back', answered, { withinMs: 10_000 });
});
