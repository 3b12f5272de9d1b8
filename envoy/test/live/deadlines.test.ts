/**
 * Deadlines: what arrives at the service, what the caller gets, and that the work stops; for every RPC that a workload calls, by gRPC
 * and by Connect, for two contracts. The expectation is read from the options of the descriptors. On the real Envoy.
 */
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../../../dev/src/wait.ts';
import { Caller, type Protocol } from '../support/callers.ts';
import { type ExpectedRpc, exampleContract, ownContract } from '../support/contract-under-test.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { type LiveMesh, startMesh } from '../support/live-mesh.ts';
import type { ScriptedService, Seen } from '../support/scripted-service.ts';

const protocols = ['grpc', 'connect'] as const;
const hour = 3_600_000;

describe.each([exampleContract, ownContract].map((of) => [of().name, of] as const))('%s', (_, of) => {
  const contract = of();
  const unary = contract.rpcs.filter(({ callers, deadlineMs, rateLimit }) => {
    // What is limited to a few calls has its deadline by the same code; here it would be waited for.
    return callers.length > 0 && deadlineMs !== undefined && (rateLimit?.burst ?? Infinity) > 20;
  });
  let mesh: LiveMesh;
  const open: { close(): void }[] = [];
  beforeAll(async () => {
    mesh = await startMesh(contract);
  }, 90_000);
  afterAll(async () => {
    for (const caller of open) caller.close();
    await mesh?.stop();
  });
  const keep = <T extends { close(): void }>(caller: T): T => {
    open.push(caller);
    return caller;
  };
  const serviceOf = ({ workload }: ExpectedRpc): ScriptedService => {
    const service = mesh.services.get(workload);
    if (service === undefined) throw new Error(`${workload} has no service`);
    return service;
  };
  const doorOf = ({ callers }: ExpectedRpc) => mesh.socketOf(callers[0] ?? '', 'out');
  const callerOf = (rpc: ExpectedRpc) => keep(Caller.overSocket(doorOf(rpc), rpc.workload));

  /** What arrived of a call that says `given` of its time, as it stands and in milliseconds. */
  async function arrives(rpc: ExpectedRpc, protocol: Protocol, given: string | undefined): Promise<number> {
    const name = protocol === 'grpc' ? 'grpc-timeout' : 'connect-timeout-ms';
    const script = `given ${protocol} ${given} ${rpc.name}`;
    const headers = { 'x-script': script, ...(given === undefined ? {} : { [name]: given }) };
    const { code } = await callerOf(rpc).call(rpc.desc, { protocol, headers });
    expect(code).toBe(0);
    return inMs(serviceOf(rpc).withScript(script)[0]);
  }

  test('there are RPCs to look at', () => expect(unary).not.toEqual([]));

  describe.each(unary.map((rpc) => [rpc.name, rpc] as const))('%s', (_name, rpc) => {
    const longest = rpc.deadlineMs ?? 0;
    test.each([undefined, 'soon', '5', '-1S', '20S', '99999999S', '99999999H'])(
      'grpc: %s arrives as the one of the contract',
      async (given) => expect(await arrives(rpc, 'grpc', given)).toBe(longest),
    );

    // Envoy writes no timeout for a Connect call, so nothing useful arrives; the call ends all the same.
    test('connect: absent, malformed and huge ones end as the contract says', async () => {
      const caller = callerOf(rpc);
      const given = [undefined, 'soon', '9999999999'];
      const outcomes = given.map(async (timeout) => {
        const script = `hang:${timeout} ${rpc.name}`;
        const headers = { 'x-script': script, ...(timeout === undefined ? {} : { 'connect-timeout-ms': timeout }) };
        const began = performance.now();
        const { code, isAnswered } = await caller.call(rpc.desc, { protocol: 'connect', headers });
        const isEarly = performance.now() - began < longest * 0.9;
        await waitFor(
          'the work to stop',
          () =>
            serviceOf(rpc)
              .withScript(script)
              .every(({ isReset }) => isReset),
          {
            withinMs: 5000,
          },
        );
        return { code, isAnswered, isEarly };
      });
      const expected = { code: Code.DeadlineExceeded, isAnswered: true, isEarly: false };
      expect(await Promise.all(outcomes)).toEqual(given.map(() => expected));
    });

    test.each(protocols)('%s: a shorter one is kept', async (protocol) => {
      const shorter = Math.ceil(longest * 0.7);
      const seen = await arrives(rpc, protocol, protocol === 'grpc' ? `${shorter}m` : String(shorter));
      expect(seen).toBeLessThanOrEqual(shorter);
      expect(seen).toBeGreaterThan(0);
    });

    test.each(protocols)('%s: at its end the caller is told, and the work stops', async (protocol) => {
      const script = `hang:${protocol} ${rpc.name}`;
      const began = performance.now();
      const name = protocol === 'grpc' ? 'grpc-timeout' : 'connect-timeout-ms';
      const headers = { 'x-script': script, [name]: protocol === 'grpc' ? '150m' : '150' };
      // The timeout is a header only, so that it is the sidecar that ends the call and not the client.
      const outcome = await callerOf(rpc).call(rpc.desc, { protocol, headers });
      expect(outcome).toMatchObject({ code: Code.DeadlineExceeded, isAnswered: true });
      expect(performance.now() - began).toBeGreaterThan(100);
      const seen = serviceOf(rpc).withScript(script);
      expect(seen).toHaveLength(1);
      await waitFor('the work to stop', () => seen[0]?.isReset, { withinMs: 5000 });
    });

    test.each(protocols)('%s: one of a millisecond', async (protocol) => {
      const script = `hang:1 ms ${protocol} ${rpc.name}`;
      const name = protocol === 'grpc' ? 'grpc-timeout' : 'connect-timeout-ms';
      const headers = { 'x-script': script, [name]: protocol === 'grpc' ? '1m' : '1' };
      expect(await callerOf(rpc).call(rpc.desc, { protocol, headers })).toMatchObject({ code: Code.DeadlineExceeded });
      await waitFor(
        'the work to stop',
        () =>
          serviceOf(rpc)
            .withScript(script)
            .every(({ isReset }) => isReset),
        {
          withinMs: 5000,
        },
      );
    });
  });

  const streams = contract.rpcs.filter(({ maxDurationMs }) => maxDurationMs !== undefined && maxDurationMs <= 5000);
  describe.each(streams.map((rpc) => [rpc.name, rpc] as const))('%s', (_name, rpc) => {
    const { idleTimeoutMs = 0, maxDurationMs = 0 } = rpc;

    /** How long the stream was open, and how it ended. */
    async function live(script: string) {
      const client = keep(GrpcClient.overSocket(doorOf(rpc), rpc.workload));
      const began = performance.now();
      await expect(client.call({ rpc: rpc.name, headers: { 'x-script': script } })).rejects.toThrow('INTERNAL_ERROR');
      const lasted = performance.now() - began;
      await waitFor('the work to stop', () => serviceOf(rpc).withScript(script)[0]?.isReset, { withinMs: 5000 });
      return lasted;
    }

    test('ends when it is silent for longer than it may be', async () => {
      expect(await live('quiet')).toBeGreaterThan(idleTimeoutMs * 0.9);
    });

    test('lives on while it has something to say, until its longest life', async () => {
      expect(await live(`beat:${idleTimeoutMs / 5}`)).toBeGreaterThan(maxDurationMs * 0.9);
    });
  });
});

/** gRPC's timeout as it arrived. */
function inMs(seen: Seen | undefined): number {
  const [, count, unit = ''] = /^(\d+)([HMSmun])$/.exec(String(seen?.headers['grpc-timeout'])) ?? [];
  const units: Record<string, number> = { H: hour, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
  return Number(count) * (units[unit] ?? Number.NaN);
}
