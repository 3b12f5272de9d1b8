/** What a callee's sidecar lets in: who connects, what each may call, how often, and how much at once. On the real Envoy. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority } from '../../../dev/src/authority.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { type ExampleMesh, nameOf, startExampleMesh } from '../support/example-mesh.ts';
import { type GrpcClient, headersSeen } from '../support/grpc-client.ts';

const shelf = 'acme.shelf.v1.ShelfService';
let mesh: ExampleMesh;

beforeAll(async () => {
  mesh = await startExampleMesh();
}, 60_000);
afterAll(() => mesh?.stop());

describe('who connects', () => {
  const call = (client: GrpcClient) => client.call({ rpc: `${shelf}/GetBook` });

  test('a declared caller is let in, and the service learns who it is', async () => {
    const answer = await call(mesh.callerAs(await mesh.identity(nameOf('desk'))));
    expect(answer.status).toBe(0);
    expect(headersSeen(answer)['x-forwarded-client-cert']).toMatch(/;URI=spiffe:\/\/weft\.local\/desk$/);
  });

  test('what a caller says of itself is not believed', async () => {
    const forged = `By=x;URI=${nameOf('edge')}`;
    const client = mesh.callerAs(await mesh.identity(nameOf('desk')));
    const answer = await client.call({ rpc: `${shelf}/GetBook`, headers: { 'x-forwarded-client-cert': forged } });
    expect(headersSeen(answer)['x-forwarded-client-cert']).not.toContain(nameOf('edge'));
  });

  test('an identity that no RPC expects is refused, and the log names it', async () => {
    const evil = nameOf('evil');
    await expect(call(mesh.callerAs(await mesh.identity(evil)))).rejects.toThrow('certificate unknown');
    await waitFor('the log of the refusal', () => refusals().some(({ peer }) => peer === evil), { withinMs: 5000 });
  });

  test('an expired certificate is refused, and the log says so', async () => {
    await expect(call(mesh.callerAs(await mesh.identity(nameOf('desk'), -1)))).rejects.toThrow('expired');
    const expired = () => refusals().some(({ tls_failure: why }) => String(why).includes('expired'));
    await waitFor('the log of the refusal', expired, { withinMs: 5000 });
  });

  test('a certificate of a foreign authority is refused', async () => {
    const foreign = await (await CertificateAuthority.foreign()).mint({ uri: nameOf('desk'), days: 1 });
    const { trusted } = await mesh.identity(nameOf('desk'));
    await expect(call(mesh.callerAs({ ...foreign, trusted }))).rejects.toThrow(/unknown ca|certificate/i);
  });

  test('without a certificate nothing gets through', async () => {
    await expect(call(mesh.callerAs({ certificate: '', privateKey: '', trusted: '' }))).rejects.toThrow();
  });

  const refusals = () => mesh.accessLog('shelf').filter(({ event }) => event === 'connection');
});

describe('what each may call', () => {
  test('an RPC that the caller does not declare is denied, and the service never sees it', async () => {
    const answer = await mesh.callerAs(await mesh.identity(nameOf('desk'))).call({ rpc: `${shelf}/BurnBook` });
    expect(answer).toMatchObject({ status: 7, message: `${nameOf('desk')} declares no call to this RPC` });
    expect(mesh.shelf.seen.filter(({ path }) => path.endsWith('/BurnBook'))).toEqual([]);
  });

  test('an RPC that only others may call is denied to the edge', async () => {
    const answer = await mesh.callerAs(await mesh.identity(nameOf('edge'))).call({ rpc: `${shelf}/LendBook` });
    expect(answer.status).toBe(7);
  });

  test.each(['Nothing', 'GetBook/', 'getbook'])('an RPC that does not exist is denied: %s', async (name) => {
    const answer = await mesh.callerAs(await mesh.identity(nameOf('desk'))).call({ rpc: `${shelf}/${name}` });
    expect(answer.status).toBe(7);
  });

  test('every caller may ask for health', async () => {
    for (const caller of ['desk', 'edge']) {
      const client = mesh.callerAs(await mesh.identity(nameOf(caller)));
      expect(await client.call({ rpc: 'grpc.health.v1.Health/Check' })).toMatchObject({ status: 0 });
    }
  });
});

describe('how much', () => {
  test('a caller that exceeds its rate gets RESOURCE_EXHAUSTED', async () => {
    const client = mesh.callerAtDesk();
    const statuses: number[] = [];
    for (let i = 0; i < 6; i += 1) statuses.push((await client.call({ rpc: `${shelf}/CountBooks` })).status);
    expect(statuses.slice(0, 3)).toEqual([0, 0, 0]);
    expect(statuses).toContain(8);
    const refused = await client.call({ rpc: `${shelf}/CountBooks` });
    expect(refused).toMatchObject({ status: 8, message: 'rate limit exceeded; try again in a second' });
  });

  test('the edge speaks for many users and is not limited here', async () => {
    const client = mesh.callerAs(await mesh.identity(nameOf('edge')));
    for (let i = 0; i < 8; i += 1) expect((await client.call({ rpc: `${shelf}/CountBooks` })).status).toBe(0);
  });

  test('what exceeds the concurrency limit is refused at once and not retried', async () => {
    const client = mesh.callerAtDesk();
    const calls = Array.from({ length: 10 }, () => client.call({ rpc: `${shelf}/GetBook`, script: 'hold:300' }));
    const refused = (await Promise.all(calls)).filter(({ status }) => status === 8);
    expect(refused).toHaveLength(6);
    expect(refused[0]?.message).toBe('too many requests at once; try again later');
    const told = () =>
      mesh.accessLog('desk').filter(({ grpc, route }) => {
        return grpc === 'ResourceExhausted' && route === `${shelf}/GetBook`;
      });
    await waitFor('the log', () => told().length === 6, { withinMs: 5000 });
    for (const { attempts } of told()) expect(attempts).toBe(1);
  });

  test('a service that is busy to its limit stays healthy in the eyes of its callers', async () => {
    const client = mesh.callerAtDesk();
    const held = Array.from({ length: 4 }, () => client.call({ rpc: `${shelf}/LendBook`, script: 'hold:1900' }));
    const checks = async () => Number(/attempt: (\d+)/.exec((await health()) ?? '')?.[1]);
    const health = async () => (await mesh.admin('desk', '/stats?filter=cluster.shelf.health_check')).body;
    const before = await checks();
    await waitFor('two health checks', async () => (await checks()) >= before + 2, { withinMs: 5000 });
    expect(await health()).toMatch(/failure: 0\n/);
    for (const { status } of await Promise.all(held)) expect(status).toBe(0);
  });

  test("a message above the service's limit is answered by the service, not by Envoy", async () => {
    const answer = await mesh
      .callerAtDesk()
      .call({ rpc: `${shelf}/LendBook`, script: 'refuse-big', padding: 5_000_000 });
    expect(answer).toMatchObject({ status: 8, message: 'scripted' });
  });
});

test('rotated certificates are taken up without a failed call', async () => {
  const client = mesh.callerAtDesk();
  const serial = async () => {
    const answer = await client.call({ rpc: `${shelf}/GetBook` });
    expect(answer.status).toBe(0);
    return headersSeen(answer)['x-forwarded-client-cert'];
  };
  const before = await serial();
  await mesh.rotate('desk');
  await mesh.rotate('shelf');
  const rotated = async () => {
    const { body } = await mesh.admin('shelf', '/stats?filter=sds.identity.key_rotation_failed|sds.*update_success');
    await serial();
    return /update_success: [2-9]/.test(body) && body;
  };
  const stats = await waitFor('the rotation', rotated, { withinMs: 10_000 });
  expect(stats).not.toMatch(/key_rotation_failed: [1-9]/);
  expect(before).toContain('Hash=');
});
