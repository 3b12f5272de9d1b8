/**
 * What each RPC answers while one that it calls is slow, down or failing: what its `calls` declare (`on_failure`), read from the
 * contract. And what calls nothing of the faulty workload notices nothing.
 *
 * The mesh is this file's own, since its parts are hurt.
 */

import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { exposedServices } from '@weft/gen/weft/exposed.ts';
import { policies } from '@weft/gen/weft/policy.ts';
import { QuoteService } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { RateService } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { MethodPolicy } from '@weft/runtime/policy';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Mesh } from '../../../dev/src/mesh.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { BASKET, BERLIN, buy, type Caller, callerOf, failureOf, orderFor, prepare } from '../customer.ts';
import { type OwnMesh, startOwnMesh } from '../own-mesh.ts';
import { expectConsistent, patiently } from '../shop.ts';

vi.setConfig({ testTimeout: 120_000 });

let own: OwnMesh;
let mesh: Mesh;
beforeAll(async () => {
  own = await startOwnMesh({ sample: true });
  mesh = own.mesh;
});
afterAll(async () => {
  await own?.end();
});

const table: Readonly<Record<string, MethodPolicy>> = policies;
const waitedCalls = (rpc: string) => (table[rpc]?.calls ?? []).filter(({ background }) => !background);

/** Whether `rpc` has to refuse while `faulty` is of no help, by what is declared along the path. */
function refuses(rpc: string, faulty: string): boolean {
  return waitedCalls(rpc).some(
    ({ rpc: callee, onFailure }) =>
      onFailure === 'REFUSE' && (table[callee]?.workload === faulty || refuses(callee, faulty)),
  );
}

/** Whether anything of `faulty` is on the path of `rpc`. */
const reaches = (rpc: string, faulty: string): boolean =>
  waitedCalls(rpc).some(({ rpc: callee }) => table[callee]?.workload === faulty || reaches(callee, faulty));

const callers = Object.keys(table).filter((rpc) => waitedCalls(rpc).length > 0);
const workloads = [...new Set(callers.flatMap(waitedCalls).map(({ rpc }) => table[rpc]?.workload ?? ''))].sort();

/** Sagas wait for the other one as long as their caller does; the contract's 10 s would be waited out in every test. */
const patience = { timeoutMs: 4_000 };

/** Makes what a good request needs, while all is well; the call itself is made later. Each RPC that calls others has an entry. */
const readied: Readonly<Record<string, (caller: Caller) => Promise<() => Promise<unknown>>>> = {
  'weft.pricing.v1.QuoteService/CreateQuote': async (caller) => {
    const request = { requestId: randomUUID(), lines: [...BASKET], destination: BERLIN, currencyCode: 'EUR' };
    return () => caller.of(QuoteService).createQuote(request);
  },
  'weft.shipping.v1.RateService/PlanPackages': async (caller) => () =>
    caller.of(RateService).planPackages({ lines: [...BASKET] }),
  'weft.shipping.v1.CheckoutService/PrepareCheckout': async (caller) => () => prepare(caller),
  'weft.shipping.v1.ShipmentService/PlaceShipment': async (caller) => {
    const order = orderFor(await patiently(() => prepare(caller)));
    return () => caller.of(ShipmentService).placeShipment(order, patience);
  },
  'weft.shipping.v1.ShipmentService/CancelShipment': async (caller) => {
    const { shipmentId } = await patiently(() => buy(caller));
    const request = { requestId: randomUUID(), shipmentId };
    return () => caller.of(ShipmentService).cancelShipment(request, patience);
  },
};

/** Ways to be of no help. Each returns how it ends. */
const faults: Readonly<Record<string, (workload: string) => Promise<() => Promise<void>>>> = {
  slow: async (workload) => {
    const pid = mesh.pids().get(workload);
    if (pid === undefined) throw new Error(`${workload} is not up`);
    process.kill(pid, 'SIGSTOP');
    return async () => void process.kill(pid, 'SIGCONT');
  },
  down: async (workload) => {
    await mesh.stop(workload);
    return () => mesh.start(workload);
  },
  erroring: async (workload) => {
    const rename = async (from: string, to: string) => {
      const client = new Client({ connectionString: mesh.databases.get(workload) ?? '' });
      await client.connect();
      await client.query(`ALTER SCHEMA ${from} RENAME TO ${to}`);
      await client.end();
    };
    await rename('public', 'away');
    return () => rename('away', 'public');
  },
};

test('every RPC that calls others has a request here', () => {
  expect(Object.keys(readied).sort()).toEqual([...callers].sort());
  expect(workloads.length).toBeGreaterThan(1);
});

const matrix = workloads.flatMap((workload) => Object.keys(faults).map((fault) => ({ workload, fault })));

describe.each(matrix)('$workload is $fault', ({ workload, fault }) => {
  const affected = callers.filter((rpc) => reaches(rpc, workload));

  test('each RPC refuses or answers as it declares, and everything comes back', async () => {
    const customer = await callerOf(mesh);
    const calls = new Map<string, () => Promise<unknown>>();
    for (const rpc of affected) calls.set(rpc, (await readied[rpc]?.(customer)) ?? (async () => {}));
    const end = await faults[fault]?.(workload);
    let ended = false;
    const endOnce = async () => {
      if (!ended) await end?.();
      ended = true;
    };
    onTestFinished(endOnce);

    const [answers, silent] = await Promise.all([
      Promise.all([...calls].map(async ([rpc, call]) => [rpc, inWords(await failureOf(call()), fault)] as const)),
      unanswered(customer, workload),
    ]);
    const declared = affected.map((rpc) => [rpc, refuses(rpc, workload) ? 'refused' : 'answered']);
    expect(Object.fromEntries(answers)).toEqual(Object.fromEntries(declared));
    expect(silent).toEqual([]);

    await endOnce();
    for (const [rpc, call] of calls) {
      await waitFor(`${rpc} after ${workload} was ${fault}`, async () => (await failureOf(call())) === undefined, {
        withinMs: 40_000,
      });
    }
    await expectConsistent(mesh.databases);
  });
});

/** Refused is: away, or late; INTERNAL only where the other one failed with it. Any other failure is told as it is. */
function inWords(failure: unknown, fault: string): string {
  if (failure === undefined) return 'answered';
  const { code, message } = ConnectError.from(failure);
  const refusals = [Code.Unavailable, Code.DeadlineExceeded, ...(fault === 'erroring' ? [Code.Internal] : [])];
  return refusals.includes(code) ? 'refused' : `${Code[code]}: ${message}`;
}

/** Exposed RPCs that lean on nothing of `faulty` and do not answer: to an empty request, a complaint about it is an answer. */
async function unanswered(caller: Caller, faulty: string): Promise<string[]> {
  const healthy = exposedServices
    .flatMap((service) => service.methods)
    .filter((method) => method.methodKind === 'unary')
    .filter((method) => {
      const rpc = `${method.parent.typeName}/${method.name}`;
      const policy = table[rpc];
      return policy && policy.exposure !== 'INTERNAL' && policy.workload !== faulty && !reaches(rpc, faulty);
    });
  expect(healthy.length).toBeGreaterThan(5);
  const failures = await Promise.all(
    healthy.map(async (method) => {
      const client = caller.of(method.parent) as Record<string, (request: object) => Promise<unknown>>;
      const failure = await failureOf(client[method.localName]?.(create(method.input)) ?? Promise.resolve());
      const { code } = failure === undefined ? { code: undefined } : ConnectError.from(failure);
      const isAnswer =
        code === undefined || ![Code.Unavailable, Code.DeadlineExceeded, Code.Internal, Code.Unknown].includes(code);
      return isAnswer ? [] : [`${method.parent.typeName}/${method.name}: ${failure}`];
    }),
  );
  return failures.flat();
}
