/** The runtime's server behind a real Envoy: what it answers is what a sidecar acts on. */

import type { DescService } from '@bufbuild/protobuf';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../../../dev/src/wait.ts';
import type { PolicyTable } from '../../../runtime/src/policy.ts';
import { implement } from '../../../runtime/src/server/implement.ts';
import { type RunningServer, serve } from '../../../runtime/src/server/serve.ts';
import { describeProtos, testFolder } from '../support/compile.ts';
import { type ExampleMesh, startExampleMesh } from '../support/example-mesh.ts';

const shelf = 'acme.shelf.v1.ShelfService';
let mesh: ExampleMesh;
let server: RunningServer;
/** How often each book was asked for. */
const tries = new Map<string, number>();

beforeAll(async () => {
  mesh = await startExampleMesh();
  await mesh.shelf.close();
  const { registry } = describeProtos(`${testFolder}/protos`);
  const service = registry.getService(shelf);
  if (service === undefined) throw new Error(`${shelf} is not among the example contracts`);
  server = await serve({
    workload: 'shelf',
    listen: `unix:${mesh.socketOf('shelf')}`,
    policy: policyOf(service),
    services: [implement(service, answersOf(service))],
  });
  const client = mesh.callerAtDesk();
  const isReached = async () => (await client.call({ rpc: `${shelf}/GetBook`, script: 'ready' })).status === 0;
  await waitFor('the sidecar to find the service', isReached, { withinMs: 20_000 });
}, 60_000);
afterAll(async () => {
  await server?.close();
  await mesh?.stop();
});

/** Every RPC fails twice with UNAVAILABLE, then is answered; for each script anew. */
function answersOf(service: DescService): ServiceImpl<DescService> {
  const answer = ({ script = '' }: { script?: string }) => {
    const count = (tries.get(script) ?? 0) + 1;
    tries.set(script, count);
    if (script !== 'ready' && count <= 2) throw new ConnectError('not yet', Code.Unavailable);
    return {};
  };
  return Object.fromEntries(service.methods.map(({ localName }) => [localName, answer])) as ServiceImpl<DescService>;
}

function policyOf(service: DescService): PolicyTable {
  const policy = {
    workload: 'shelf',
    deadlineMs: 1_000,
    exposure: 'INTERNAL',
    scopes: [],
    calls: [],
    idempotent: true,
  } as const;
  const stream = { idleTimeoutMs: 60_000, maxDurationMs: 60_000 };
  return Object.fromEntries(
    service.methods.map(({ name, methodKind }) => [
      `${shelf}/${name}`,
      methodKind === 'unary' ? policy : { ...policy, stream },
    ]),
  );
}

test('a call that the runtime fails is tried again by Envoy, since its status stands in the headers', async () => {
  const script = 'fails twice';
  expect(await mesh.callerAtDesk().call({ rpc: `${shelf}/GetBook`, script })).toMatchObject({ status: 0 });
  expect(tries.get(script)).toBe(3);
});

test('a call that must not be repeated is not', async () => {
  const script = 'fails once';
  expect(await mesh.callerAtDesk().call({ rpc: `${shelf}/LendBook`, script })).toMatchObject({ status: 14 });
  expect(tries.get(script)).toBe(1);
});
