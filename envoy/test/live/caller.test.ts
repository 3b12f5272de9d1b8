/** What a caller's sidecar does for its service: finds the callee, repeats what may be repeated, and keeps deadlines. On the real Envoy. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExampleMesh, startExampleMesh } from '../support/example-mesh.ts';
import { type GrpcClient, headersSeen } from '../support/grpc-client.ts';

const shelf = 'acme.shelf.v1.ShelfService';
let mesh: ExampleMesh;
let client: GrpcClient;

beforeAll(async () => {
  mesh = await startExampleMesh();
  client = mesh.callerAtDesk();
}, 60_000);
afterAll(() => mesh?.stop());

describe('calls that are not declared', () => {
  const undeclared = { status: 12, message: 'desk declares no such call' };

  test('to an RPC of a callee', async () => {
    expect(await client.call({ rpc: `${shelf}/BurnBook` })).toMatchObject(undeclared);
  });

  test('to a workload', async () => {
    expect(await mesh.callerAtDesk('nobody').call({ rpc: `${shelf}/GetBook` })).toMatchObject(undeclared);
  });

  test("by a workload that calls nobody: it reaches its sidecar's answer, not a closed door", async () => {
    const { body } = await mesh.admin('shelf', '/stats?filter=listener_manager.total_listeners_active');
    expect(body).toContain('total_listeners_active: 2');
  });
});

describe('retries', () => {
  test.each([
    ['UNAVAILABLE', 14],
    ['CANCELLED', 1],
    ['DEADLINE_EXCEEDED', 4],
    ['INTERNAL', 13],
  ])('%s is tried again, three times in all', async (_, status) => {
    const script = `fail-first:2:${status}`;
    expect(await client.call({ rpc: `${shelf}/GetBook`, script })).toMatchObject({ status: 0 });
    expect(mesh.shelf.withScript(script)).toHaveLength(3);
  });

  test('after the last try the failure is told', async () => {
    const script = 'fail-first:9';
    expect(await client.call({ rpc: `${shelf}/GetBook`, script })).toMatchObject({ status: 14, message: 'scripted' });
    expect(mesh.shelf.withScript(script)).toHaveLength(3);
  });

  test('a status that is not listed is told at once', async () => {
    const script = 'fail-first:1:5';
    expect(await client.call({ rpc: `${shelf}/GetBook`, script })).toMatchObject({ status: 5 });
    expect(mesh.shelf.withScript(script)).toHaveLength(1);
  });

  test('RESOURCE_EXHAUSTED is never tried again', async () => {
    const script = 'fail-first:1:8';
    expect(await client.call({ rpc: `${shelf}/GetBook`, script })).toMatchObject({ status: 8 });
    expect(mesh.shelf.withScript(script)).toHaveLength(1);
  });

  test('a failure after headers cannot be tried again, which is why services answer trailers-only', async () => {
    expect(await client.call({ rpc: `${shelf}/GetBook`, script: 'fail-late' })).toMatchObject({ status: 14 });
    expect(mesh.shelf.withScript('fail-late')).toHaveLength(1);
  });

  test('an RPC without a retry policy is not repeated once it was sent', async () => {
    const script = 'fail-first:1';
    expect(await client.call({ rpc: `${shelf}/LendBook`, script })).toMatchObject({ status: 14 });
    expect(mesh.shelf.withScript(script)).toHaveLength(1);
  });

  test('a try that is slower than per_try_timeout is given up and repeated', async () => {
    const script = 'hang-first:1';
    expect(await client.call({ rpc: `${shelf}/GetBook`, script })).toMatchObject({ status: 0 });
    expect(mesh.shelf.withScript(script)).toHaveLength(2);
  });

  test("a service cannot order retries by Envoy's own headers", async () => {
    const script = 'fail-first:1:14:headers';
    const headers = { 'x-envoy-retry-grpc-on': 'unavailable', 'x-envoy-max-retries': '5' };
    expect(await client.call({ rpc: `${shelf}/LendBook`, script, headers })).toMatchObject({ status: 14 });
    expect(mesh.shelf.withScript(script)).toHaveLength(1);
  });
});

test('the only replica is not taken away, however often it fails', async () => {
  for (let i = 0; i < 8; i += 1) {
    expect(await client.call({ rpc: `${shelf}/LendBook`, script: 'fail-first:99:13' })).toMatchObject({ status: 13 });
  }
  expect(await client.call({ rpc: `${shelf}/LendBook` })).toMatchObject({ status: 0 });
});

describe('deadlines', () => {
  const timeoutSeen = async (headers: Record<string, string>) =>
    Number.parseInt(headersSeen(await client.call({ rpc: `${shelf}/LendBook`, headers }))['grpc-timeout'] ?? '', 10);

  test('a call without a deadline gets the one of the contract', async () => {
    expect(await timeoutSeen({})).toBe(2000);
  });

  test('a longer one is clamped', async () => {
    expect(await timeoutSeen({ 'grpc-timeout': '20S' })).toBe(2000);
  });

  test('a shorter one is kept', async () => {
    const seen = await timeoutSeen({ 'grpc-timeout': '700m' });
    expect(seen).toBeLessThanOrEqual(700);
    expect(seen).toBeGreaterThan(300);
  });

  test('a malformed one counts as none', async () => {
    expect(await timeoutSeen({ 'grpc-timeout': 'soon' })).toBe(2000);
  });

  test('a service that never answers ends in DEADLINE_EXCEEDED', async () => {
    const began = performance.now();
    const answer = await client.call({ rpc: `${shelf}/LendBook`, script: 'hang', headers: { 'grpc-timeout': '300m' } });
    expect(answer).toMatchObject({ status: 4, message: 'the deadline passed before there was an answer' });
    expect(performance.now() - began).toBeLessThan(1500);
  });

  test('a stream that is silent for too long is reset', async () => {
    await expect(client.call({ rpc: `${shelf}/WatchBooks` })).rejects.toThrow('INTERNAL_ERROR');
  });
});
