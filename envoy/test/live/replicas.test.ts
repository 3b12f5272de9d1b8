/**
 * One service of two replicas is upgraded while calls and a stream run: each replica drains, stops and comes back as the next version,
 * as `deploy` does it. The real runtime behind real Envoys.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { DescService } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../../../dev/src/wait.ts';
import { connect } from '../../../runtime/src/client/connect.ts';
import { reasonOf } from '../../../runtime/src/errors/fail.ts';
import type { PolicyTable } from '../../../runtime/src/policy.ts';
import { implement } from '../../../runtime/src/server/implement.ts';
import { type RunningServer, serve } from '../../../runtime/src/server/serve.ts';
import { describeProtos, testFolder } from '../support/compile.ts';
import { Load } from '../support/load.ts';
import { firstShelf, ReplicaMesh, secondShelf } from '../support/replicas.ts';
import { ScriptedService } from '../support/scripted-service.ts';

const shelf = 'acme.shelf.v1.ShelfService';
const withinMs = 30_000;
const everyMs = 20;
const resumeHeader = 'x-resume-after';
const replicas = ['shelf', 'shelf-2'] as const;
type Replica = (typeof replicas)[number];
type Saw = { readonly saw: string };

let service: DescService;
let mesh: ReplicaMesh;
/** Calls nobody in this test, but the edge wants it to be healthy. */
let desk: ScriptedService;
const servers = new Map<Replica, RunningServer>();
/** Calls that each replica has begun, and streams that it has open. */
const begun = new Map<Replica, number>(replicas.map((replica) => [replica, 0]));
const streams = new Map<Replica, number>(replicas.map((replica) => [replica, 0]));
const count = (counts: Map<Replica, number>, replica: Replica, by: number) =>
  counts.set(replica, (counts.get(replica) ?? 0) + by);
/** The number of the newest event, which both replicas know, as if from one database. */
let newest = 0;
let producer: NodeJS.Timeout;

beforeAll(async () => {
  const { registry } = describeProtos(`${testFolder}/protos`);
  const found = registry.getService(shelf);
  if (found === undefined) throw new Error(`${shelf} is not among the example contracts`);
  service = found;
  producer = setInterval(() => {
    newest += 1;
  }, everyMs);
  mesh = await ReplicaMesh.start(
    { workloads: { shelf: { reached_at: [firstShelf, secondShelf] } } },
    async (socketOf) => {
      for (const replica of replicas) await startReplica(replica, 1, socketOf(replica));
      desk = await ScriptedService.listen(socketOf('desk'));
    },
  );
}, 60_000);
afterAll(async () => {
  clearInterval(producer);
  await mesh?.stop();
  await Promise.all([desk?.close(), ...[...servers.values()].map((server) => server.close())]);
});

async function startReplica(replica: Replica, version: number, socket: string): Promise<void> {
  const listen = `unix:${socket}`;
  const services = [implement(service, answersOf(replica, version))];
  servers.set(replica, await serve({ workload: 'shelf', listen, policy: policyOf(service), services }));
}

function answersOf(replica: Replica, version: number): ServiceImpl<DescService> {
  const saw = `${replica} ${version}`;
  const answer = async () => {
    count(begun, replica, 1);
    await delay(everyMs); // So that calls are under way whenever something happens.
    return { saw };
  };
  /** Events after the one that the token names. */
  const watch = async function* (_: unknown, { requestHeader, signal }: HandlerContext) {
    count(begun, replica, 1);
    count(streams, replica, 1);
    try {
      for (let next = Number(requestHeader.get(resumeHeader) ?? newest) + 1; !signal.aborted; ) {
        for (; next <= newest; next += 1) yield { saw: `${saw} ${next}` };
        await delay(everyMs, undefined, { signal }).catch(() => {});
      }
    } finally {
      count(streams, replica, -1);
    }
  };
  const methods = service.methods.map(({ localName, methodKind }) => [
    localName,
    methodKind === 'unary' ? answer : watch,
  ]);
  return Object.fromEntries(methods) as ServiceImpl<DescService>;
}

/** What the example contract says, as far as a server asks. */
function policyOf({ methods }: DescService): PolicyTable {
  const policy = { workload: 'shelf', exposure: 'INTERNAL', scopes: [], calls: [], idempotent: true } as const;
  const stream = { idleTimeoutMs: 1000, maxDurationMs: 2000 };
  return Object.fromEntries(
    methods.map(({ name, methodKind }) => [
      `${shelf}/${name}`,
      methodKind === 'unary' ? { ...policy, deadlineMs: 2000 } : { ...policy, stream },
    ]),
  );
}

/** One watcher that goes on where it was, with the token of the last event that it has seen. */
class Watcher {
  readonly problems: string[] = [];
  readonly servedBy = new Set<string>();
  resumed = 0;
  seen = 0;
  #last: number | undefined;
  #isOver = false;
  readonly #done: Promise<void>;

  constructor() {
    const client = connect(service, {
      egress: `unix:${mesh.state}/run/desk.out.sock`,
      workload: 'shelf',
      policy: policyOf(service),
    }) as unknown as { watchBooks(request: object, options: object): AsyncIterable<Saw> };
    this.#done = this.#watch(client);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #watch(client: { watchBooks(request: object, options: object): AsyncIterable<Saw> }): Promise<void> {
    while (!this.#isOver) {
      const headers = this.#last === undefined ? {} : { [resumeHeader]: String(this.#last) };
      try {
        for await (const { saw } of client.watchBooks({}, { headers })) {
          this.#take(saw);
          if (this.#isOver) return;
        }
        this.problems.push('a stream ended without a reason');
      } catch (error) {
        if (reasonOf(error) !== 'STREAM_ENDED') this.problems.push(String(error));
        this.resumed += 1;
      }
    }
  }

  #take(saw: string): void {
    const [replica, version, event] = saw.split(' ');
    this.servedBy.add(`${replica} ${version}`);
    const number = Number(event);
    if (this.#last !== undefined && number !== this.#last + 1) this.problems.push(`${number} after ${this.#last}`);
    this.#last = number;
    this.seen += 1;
  }
}

/** Drain, stop, start: the order that loses no call (dev/src/mesh.ts, `restart`). */
async function upgrade(replica: Replica, version: number, load: Load): Promise<void> {
  await mesh.turnAway(replica);
  const isLeftAlone = async () => {
    const before = begun.get(replica);
    await load.more(100);
    return begun.get(replica) === before && streams.get(replica) === 0;
  };
  await waitFor(`that nobody calls ${replica}`, isLeftAlone, { withinMs });
  await mesh.stopEnvoy(replica);
  await servers.get(replica)?.drain();
  await startReplica(replica, version, `${mesh.state}/run/${replica}.app.sock`);
  await mesh.startEnvoy(replica);
  for (const caller of ['desk', 'edge'] as const) await mesh.reachesAll(caller);
  const before = begun.get(replica) ?? 0;
  await waitFor(`that ${replica} is called again`, () => (begun.get(replica) ?? 0) > before, { withinMs });
}

test('both replicas are upgraded one after the other: no failed call, no event lost or doubled', async () => {
  const [caller, stranger] = [mesh.callerAtDesk(), mesh.stranger()];
  const answeredBy = new Map<string, number>();
  // GetBook is tried again by its policy, LendBook never once it was sent.
  const kinds = [
    ['desk', caller, `${shelf}/GetBook`],
    ['desk', caller, `${shelf}/LendBook`],
    ['edge', stranger, `${shelf}/GetBook`],
    ['desk', caller, `${shelf}/LendBook`],
  ] as const;
  let turn = 0;
  const load = Load.start(2, async () => {
    const [name, client, rpc] = kinds[turn++ % kinds.length] ?? kinds[0];
    const answer = await client.call({ rpc });
    if (answer.status !== 0) throw new Error(`${rpc} by ${name}: ${answer.status} ${answer.message}`);
    const version = answer.texts[0] ?? '';
    answeredBy.set(version, (answeredBy.get(version) ?? 0) + 1);
  });
  const watcher = new Watcher();
  await load.more(100);
  expect([...answeredBy.keys()].sort()).toEqual(['shelf 1', 'shelf-2 1']);
  for (const replica of replicas) await upgrade(replica, 2, load);
  await load.more(50);
  answeredBy.clear();
  const { resumed } = watcher;
  await waitFor('another stream', () => watcher.resumed > resumed, { withinMs });
  await load.more(100);
  await watcher.stop();
  const { done, failures } = await load.stop();

  expect(failures).toEqual([]);
  expect(done).toBeGreaterThan(500);
  expect([...answeredBy.keys()].sort()).toEqual(['shelf 2', 'shelf-2 2']);
  expect(watcher.problems).toEqual([]);
  expect(watcher.resumed).toBeGreaterThan(2);
  expect(watcher.seen).toBeGreaterThan(100);
  const versions = new Set([...watcher.servedBy].map((name) => name.split(' ')[1]));
  expect(versions).toEqual(new Set(['1', '2']));
}, 180_000);
