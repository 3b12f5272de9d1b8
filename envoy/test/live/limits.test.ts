/**
 * What is refused because there is too much of it: per calling workload, per user or address at the edge, and at once. Every client
 * can read when to come back, and who keeps within its limits notices nothing. On the real Envoy, for every limit of the example.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spiffeId } from '../../../dev/src/authority.ts';
import { RetryInfoSchema } from '../../../runtime/src/errors/details.ts';
import { Caller, type CallOptions, type Outcome, type Protocol } from '../support/callers.ts';
import { type ExpectedRpc, exampleContract } from '../support/contract-under-test.ts';
import { type LiveMesh, startMesh } from '../support/live-mesh.ts';

const contract = exampleContract();
const headers = { 'x-script': 'end' };
/** Limits that can be reached by calls one after the other. */
const tight = contract.rpcs.filter(({ rateLimit }) => (rateLimit?.burst ?? Infinity) <= 10);
let mesh: LiveMesh;
const open: Caller[] = [];

beforeAll(async () => {
  mesh = await startMesh(contract);
}, 60_000);
afterAll(async () => {
  for (const caller of open) caller.close();
  await mesh?.stop();
});
const keep = (caller: Caller): Caller => {
  open.push(caller);
  return caller;
};

/** Calls until refused, and gives what was allowed before and the refusal. */
async function drain(caller: Caller, { desc, rateLimit }: ExpectedRpc, options: CallOptions) {
  const most = (rateLimit?.burst ?? 0) * 4;
  for (let allowed = 0; allowed <= most; allowed += 1) {
    const outcome = await caller.call(desc, { ...options, headers: { ...headers, ...options.headers } });
    if (outcome.code !== 0) return { allowed, refusal: outcome };
  }
  throw new Error(`${desc.name} was never refused`);
}

/** RESOURCE_EXHAUSTED, with a delay that the client's own library decodes. */
function expectToComeBack({ code, message, error }: Outcome, words: string): void {
  expect({ code, message }).toEqual({ code: Code.ResourceExhausted, message: words });
  expect(error?.findDetails(RetryInfoSchema)).toMatchObject([{ retryDelay: { seconds: 1n, nanos: 0 } }]);
  expect(error?.metadata.get('retry-after')).toBe('1');
}
const limited = 'rate limit exceeded; try again in a second';
const overloaded = 'too many requests at once; try again later';

test('there are limits to look at, for workloads and for users', () => {
  expect(tight.filter(({ callers }) => callers.length > 0)).not.toEqual([]);
  expect(tight.filter(({ exposure }) => exposure === 'PUBLIC')).not.toEqual([]);
});

describe('a workload at the callee', () => {
  const cases = tight.flatMap((rpc) => rpc.callers.map((caller) => [rpc.name, caller, rpc] as const));
  describe.each(cases)('%s by %s', (_, name, rpc) => {
    const dial = async (identity: string) =>
      keep(Caller.overTls(mesh.socketOf(rpc.workload, 'in'), rpc.workload, await mesh.identity(spiffeId(identity))));

    test.each<Protocol>(['grpc', 'connect'])('%s learns when to come back, and may then', async (protocol) => {
      await delay((1000 * (rpc.rateLimit?.burst ?? 0)) / (rpc.rateLimit?.perSecond ?? 1)); // Whatever was taken before is filled again.
      const caller = await dial(name);
      const { burst = 0, perSecond = 0 } = rpc.rateLimit ?? {};
      const begun = performance.now();
      const { allowed, refusal } = await drain(caller, rpc, { protocol });
      // What is taken is filled again meanwhile, one after the other.
      const seconds = Math.ceil((performance.now() - begun) / 1000);
      expect(allowed).toBeGreaterThanOrEqual(burst);
      expect(allowed).toBeLessThanOrEqual(burst + perSecond * (seconds + 1));
      expectToComeBack(refusal, limited);
      await delay(1100);
      expect(await caller.call(rpc.desc, { protocol, headers })).toMatchObject({ code: 0 });
    });

    test('a noisy one leaves the others untouched', async () => {
      const noisy = await dial(name);
      const quiet = await dial('edge');
      if (rpc.exposure === 'INTERNAL') return;
      await drain(noisy, rpc, {});
      const outcomes = [];
      for (let count = 0; count < (rpc.rateLimit?.burst ?? 0); count += 1) {
        await noisy.call(rpc.desc, { headers });
        outcomes.push((await quiet.call(rpc.desc, { headers })).code);
      }
      expect(new Set(outcomes)).toEqual(new Set([0]));
    });
  });
});

describe('a user at the edge', () => {
  const cases = tight.filter(({ exposure }) => exposure !== 'INTERNAL').map((rpc) => [rpc.name, rpc] as const);
  const asUser = async (subject: string, { scopes }: ExpectedRpc) => ({
    authorization: `Bearer ${await mesh.tokens.mint({ subject, scopes: [...scopes] })}`,
  });

  describe.each(cases)('%s', (name, rpc) => {
    test.each<Protocol>(['grpc', 'connect', 'grpc-web'])('%s learns when to come back', async (protocol) => {
      const caller = keep(Caller.overTcp(mesh.edgePort));
      const { refusal } = await drain(caller, rpc, { protocol, headers: await asUser(`${protocol} ${name}`, rpc) });
      expectToComeBack(refusal, limited);
    });

    test('a noisy one leaves the others untouched, and the one without a token', async () => {
      const caller = keep(Caller.overTcp(mesh.edgePort));
      const noisy = { ...headers, ...(await asUser(`noisy ${name}`, rpc)) };
      const others = [await asUser(`quiet ${name}`, rpc), ...(rpc.exposure === 'PUBLIC' ? [{}] : [])];
      await drain(caller, rpc, { headers: noisy });
      for (const other of others) {
        for (let count = 0; count < (rpc.rateLimit?.burst ?? 0); count += 1) {
          await caller.call(rpc.desc, { headers: noisy });
          expect(await caller.call(rpc.desc, { headers: { ...headers, ...other } })).toMatchObject({ code: 0 });
        }
      }
    });
  });
});

describe('too much at once', () => {
  const rpc = contract.rpcs.find(({ callers, deadlineMs, retry }) => callers.length > 0 && deadlineMs && !retry);
  const most = rpc?.maxConcurrent ?? 0;

  test.each<Protocol>(['grpc', 'connect'])('%s is shed at once, and learns when to come back', async (protocol) => {
    if (rpc === undefined) throw new Error('the example has no such RPC');
    const [name = ''] = rpc.callers;
    const caller = keep(Caller.overSocket(mesh.socketOf(name, 'out'), rpc.workload));
    const service = mesh.services.get(rpc.workload);
    const before = service?.seen.length ?? 0;
    const order: string[] = [];
    const calls = Array.from({ length: most * 3 }, async () => {
      const outcome = await caller.call(rpc.desc, { protocol, headers: { 'x-script': 'hold:1500' } });
      order.push(outcome.code === 0 ? 'answered' : 'refused');
      return outcome;
    });
    const refused = (await Promise.all(calls)).filter(({ code }) => code !== 0);
    expect(refused).toHaveLength(most * 2);
    for (const refusal of refused) expectToComeBack(refusal, overloaded);
    expect(order.slice(0, most * 2)).toEqual(Array(most * 2).fill('refused'));
    expect((service?.seen.length ?? 0) - before).toBe(most);
  });
});
