/**
 * Retries: as often as the contract says, for what it says, and for nothing else; and what they do to the load when everything fails.
 * The expectation is read from the options of the descriptors. On the real Envoy.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Code } from '@connectrpc/connect';
import { codeToHttpStatus } from '@connectrpc/connect/protocol-connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../../../dev/src/wait.ts';
import { Caller, type Protocol } from '../support/callers.ts';
import { type ExpectedRpc, exampleContract, ownContract } from '../support/contract-under-test.ts';
import { type LiveMesh, startMesh } from '../support/live-mesh.ts';
import { Relay } from '../support/relay.ts';
import type { ScriptedService } from '../support/scripted-service.ts';

const failures = Object.values(Code).filter((code): code is Code => typeof code === 'number');
/** By the names of RetryCode in weft/mesh/v1/options.proto. */
const numbers: Readonly<Record<string, Code>> = {
  UNAVAILABLE: Code.Unavailable,
  CANCELLED: Code.Canceled,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  INTERNAL: Code.Internal,
};

/** Tries of a call that always fails with `code`. */
function triesOf({ retry }: ExpectedRpc, code: Code, protocol: Protocol): number {
  const declared = retry?.codes.map((name) => numbers[name]) ?? [];
  // Connect tells Envoy the HTTP status alone, which INTERNAL shares with UNKNOWN and DATA_LOSS.
  const statuses = declared.map((one) => one && codeToHttpStatus(one));
  const isRetried = protocol === 'grpc' ? declared.includes(code) : statuses.includes(codeToHttpStatus(code));
  return isRetried ? (retry?.maxAttempts ?? 1) : 1;
}

const serviceOf = (mesh: LiveMesh, { workload }: ExpectedRpc): ScriptedService => {
  const service = mesh.services.get(workload);
  if (service === undefined) throw new Error(`${workload} has no service`);
  return service;
};

describe.each([exampleContract, ownContract].map((of) => [of().name, of] as const))('%s', (_, of) => {
  const contract = of();
  const called = contract.rpcs.filter(({ callers, deadlineMs }) => callers.length > 0 && deadlineMs !== undefined);
  const repeated = called.filter(({ retry }) => retry !== undefined);
  let mesh: LiveMesh;
  const open: Caller[] = [];

  beforeAll(async () => {
    mesh = await startMesh(contract);
  }, 90_000);
  afterAll(async () => {
    for (const caller of open) caller.close();
    await mesh?.stop();
  });
  const callerOf = ({ callers, workload }: ExpectedRpc): Caller => {
    const caller = Caller.overSocket(mesh.socketOf(callers[0] ?? '', 'out'), workload);
    open.push(caller);
    return caller;
  };

  test('there are RPCs with a retry and RPCs without', () => {
    expect(repeated).not.toEqual([]);
    expect(called.length).toBeGreaterThan(repeated.length);
  });

  test.each(called.map((rpc) => [rpc.name, rpc] as const))(
    'every status of %s, by gRPC and Connect',
    async (_name, rpc) => {
      const caller = callerOf(rpc);
      const got: string[] = [];
      const wanted: string[] = [];
      for (const protocol of ['grpc', 'connect'] as const) {
        for (const failure of failures) {
          const script = `fail-first:99:${failure}:${protocol} ${rpc.name}`;
          let { code } = await caller.call(rpc.desc, { protocol, headers: { 'x-script': script } });
          for (let again = 0; serviceOf(mesh, rpc).withScript(script).length === 0 && again < 10; again += 1) {
            await delay(1000); // Its bucket was empty.
            ({ code } = await caller.call(rpc.desc, { protocol, headers: { 'x-script': script } }));
          }
          const tries = serviceOf(mesh, rpc).withScript(script).length;
          got.push(`${protocol} ${Code[failure]}: ${tries}, ${Code[code]}`);
          wanted.push(`${protocol} ${Code[failure]}: ${triesOf(rpc, failure, protocol)}, ${Code[failure]}`);
        }
      }
      expect(got).toEqual(wanted);
    },
    60_000,
  );

  test.each(repeated.map((rpc) => [rpc.name, rpc] as const))(
    '%s is not tried again after its deadline',
    async (_name, rpc) => {
      for (const protocol of ['grpc', 'connect'] as const) {
        const script = `hang-first:99:0:late ${protocol} ${rpc.name}`;
        const outcome = await callerOf(rpc).call(rpc.desc, {
          protocol,
          timeoutMs: 200,
          headers: { 'x-script': script },
        });
        expect(outcome.code).toBe(Code.DeadlineExceeded);
        const tries = () => serviceOf(mesh, rpc).withScript(script);
        await waitFor('the work to stop', () => tries().every(({ isReset }) => isReset), { withinMs: 5000 });
        const before = tries().length;
        await delay(700); // Longer than any back-off.
        expect(tries()).toHaveLength(before);
        expect(before).toBeLessThanOrEqual(1);
      }
    },
  );
});

describe('when much fails at once', () => {
  const own = ownContract();
  const rpc = own.rpcs.find(({ callers, retry, rateLimit }) => callers.length > 0 && retry && !rateLimit);
  if (rpc === undefined) throw new Error('no RPC is repeated and without a limit');
  const { workload } = rpc;
  const replicas = `['unix:run/${rpc.workload}.in.sock', 'unix:run/${rpc.workload}-2.in.sock']`;
  const topology = `${own.topology}\nworkloads:\n  ${rpc.workload}:\n    reached_at: ${replicas}\n`;
  let relay: Relay | undefined;
  let mesh: LiveMesh;
  let caller: Caller;

  /** A mesh in which the callee has one replica, or two. */
  async function start(isDouble: boolean): Promise<void> {
    const before = async (socketOf: LiveMesh['socketOf']) => {
      relay = await Relay.listen(socketOf(`${workload}-2`, 'in'), socketOf(workload, 'in'));
    };
    mesh = await (isDouble ? startMesh({ ...own, topology }, { before }) : startMesh(own));
    caller = Caller.overSocket(mesh.socketOf(rpc?.callers[0] ?? '', 'out'), workload);
  }
  afterEach(async () => {
    caller?.close();
    await relay?.cut();
    await mesh?.stop();
    relay = undefined;
  });

  /** Makes `total` calls, `atOnce` at any time, and gives how many failed and how many tries the service saw for each. */
  async function load(script: string, total: number, atOnce: number, halfWay = () => {}) {
    const before = serviceOf(mesh, rpc as ExpectedRpc).seen.length;
    let begun = 0;
    let failed = 0;
    const work = async () => {
      while (begun < total) {
        begun += 1;
        if (begun === Math.floor(total / 2)) halfWay();
        const { code } = await caller.call((rpc as ExpectedRpc).desc, { headers: { 'x-script': script } });
        if (code !== 0) failed += 1;
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return { failed, amplification: (serviceOf(mesh, rpc as ExpectedRpc).seen.length - before) / begun };
  }

  test('one of two replicas dies with calls in it, and none of them fails', async () => {
    await start(true);
    expect((await load('end', 50, 4)).failed).toBe(0);
    const { failed } = await load('hold:20', 400, 6, () => void relay?.cut());
    expect(failed).toBe(0);
    const { body } = await mesh.admin(
      rpc.callers[0] ?? '',
      `/stats?filter=cluster.${rpc.workload}.upstream_rq_retry_success`,
    );
    expect(Number(/(\d+)\s*$/.exec(body)?.[1])).toBeGreaterThan(0);
  }, 60_000);

  test.each(['fail-after:0:14', 'fail-after:20:14', 'fail-after:100:14'])(
    'an outage is made at most a fifth worse: %s',
    async (script) => {
      await start(false);
      const { failed, amplification } = await load(script, 600, 60);
      expect(failed).toBe(600);
      expect(amplification).toBeGreaterThan(1); // Some are repeated, or the measure would mean nothing.
      expect(amplification).toBeLessThanOrEqual(1.2);
    },
    60_000,
  );
});
