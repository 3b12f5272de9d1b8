/**
 * What is left when things break: the connection to the database is cut at every commit, before and after it took place; the process is killed
 * under load; PostgreSQL crashes and comes back. Always: what was acknowledged is there, nothing is there twice, and a repeated
 * request gets the bytes that the first one got or would have got.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type DescMessage,
  type DescMethodClientStreaming,
  type DescMethodUnary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import { CountService } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { ReservationPolicy, ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockReason, StockService, StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { TransferService } from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { connect } from '@weft/runtime/client/connect';
import { openPool } from '@weft/runtime/data/pool';
import { reasonOf } from '@weft/runtime/errors/fail';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { applyMigrations } from '../../../dev/src/migrations.ts';
import { failure, requestId } from '../../../dev/src/testing/calls.ts';
import { openTestDatabase } from '../../../dev/src/testing/hosted.ts';
import { type PostgresProxy, postgresProxy } from '../../../dev/src/testing/postgres-proxy.ts';
import { startWorkload } from '../../../dev/src/testing/workload-process.ts';
import { startTestPostgres } from '../../../runtime/test/postgres.ts';
import { addItem, addLocation, addStock, type Clients, levelAt, startReplica, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';

const { createReservation, confirmReservation, extendReservation, releaseReservation, commitReservation } =
  ReservationService.method;
const { adjustStock, setStock, moveStock, importStock } = StockService.method;
const { shipTransfer, receiveTransfer, cancelTransfer } = TransferService.method;
const { approveCount } = CountService.method;

/** Reasons of a call whose fate is open: who gets one repeats the request. */
const OPEN = new Set(['UNREACHABLE', 'DEADLINE', 'OVERLOADED', 'SERVER_STOPPING', 'CANCELLED']);

/** A request, and how it is sent; any number of times. */
type Attempt = { readonly name: string; readonly send: () => Promise<Uint8Array> };

/** One way to send a request: the bytes of its answer. */
function attempt<In extends DescMessage, Out extends DescMessage>(
  method: DescMethodUnary<In, Out> | DescMethodClientStreaming<In, Out>,
  send: () => Promise<MessageShape<Out>>,
): Attempt {
  return { name: method.name, send: async () => toBinary(method.output, await send()) };
}

const act = (reservationId: string) => ({ requestId: requestId(), reservationId });

let skus = 0;
/** A new item with ten units at `north`. */
async function stocked(clients: Clients, units = 10): Promise<string> {
  skus += 1;
  const sku = `C-${skus}`;
  await addItem(clients, { sku });
  await addStock(clients, sku, 'north', units);
  return sku;
}

async function held({ reservations }: Clients, sku: string): Promise<string> {
  const request = { requestId: requestId(), lines: [{ sku, quantity: 2n }], ttl: { seconds: 600n } };
  return (await reservations.createReservation(request)).reservation?.reservationId ?? '';
}

async function confirmed(clients: Clients, sku: string): Promise<string> {
  const reservationId = await held(clients, sku);
  await clients.reservations.confirmReservation(act(reservationId));
  return reservationId;
}

/** A transfer of three units of an item that has plenty at both places. */
async function drafted(clients: Clients, sku: string, from: string, to: string): Promise<string> {
  await addStock(clients, sku, 'south', 5);
  const { transfer } = await clients.transfers.createTransfer({
    requestId: requestId(),
    sourceLocationId: from,
    destinationLocationId: to,
    lines: [{ sku, quantity: 3n }],
  });
  return transfer?.transferId ?? '';
}

async function shipped(clients: Clients, sku: string, from: string, to: string): Promise<string> {
  const transferId = await drafted(clients, sku, from, to);
  await clients.transfers.shipTransfer({ requestId: requestId(), transferId });
  return transferId;
}

describe('the connection is cut', () => {
  let direct: Omit<TestInventory, 'pool'>;
  let cut: Omit<TestInventory, 'pool'>;
  let pool: Pool;
  let proxy: PostgresProxy;
  const ending: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    const database = await openTestDatabase('inventory');
    pool = database.pool;
    direct = await startReplica(database.url);
    proxy = await postgresProxy(database.url);
    cut = await startReplica(proxy.url);
    ending.push(
      () => cut.stop(),
      () => direct.stop(),
      () => proxy.stop(),
      () => database.drop(),
    );
    await addLocation(direct, { locationId: 'north' });
    await addLocation(direct, { locationId: 'south' });
  });
  afterAll(async () => {
    for (const end of ending) {
      await end();
    }
  });

  /** Every kind of mutation, on an item of its own, and what its one effect is. */
  const mutations: Record<string, (sku: string) => Promise<{ attempt: Attempt; effect: object }>> = {
    'CreateReservation, planned ahead': async (sku) => {
      const request = { requestId: requestId(), lines: [{ sku, quantity: 3n }], ttl: { seconds: 600n } };
      return {
        attempt: attempt(createReservation, () => cut.reservations.createReservation(request)),
        effect: { onHand: 10n, reserved: 3n },
      };
    },
    'CreateReservation, under lock': async (sku) => {
      const lines = [{ sku, quantity: 30n }];
      const request = { requestId: requestId(), lines, policy: ReservationPolicy.PARTIAL, ttl: { seconds: 600n } };
      return {
        attempt: attempt(createReservation, () => cut.reservations.createReservation(request)),
        effect: { onHand: 10n, reserved: 10n },
      };
    },
    ConfirmReservation: async (sku) => {
      const request = act(await held(direct, sku));
      return {
        attempt: attempt(confirmReservation, () => cut.reservations.confirmReservation(request)),
        effect: { onHand: 10n, reserved: 2n },
      };
    },
    ExtendReservation: async (sku) => {
      const request = { ...act(await held(direct, sku)), ttl: { seconds: 900n } };
      return {
        attempt: attempt(extendReservation, () => cut.reservations.extendReservation(request)),
        effect: { onHand: 10n, reserved: 2n },
      };
    },
    ReleaseReservation: async (sku) => {
      const request = act(await held(direct, sku));
      return {
        attempt: attempt(releaseReservation, () => cut.reservations.releaseReservation(request)),
        effect: { onHand: 10n, reserved: 0n },
      };
    },
    'CommitReservation of a part': async (sku) => {
      const lines = [{ sku, locationId: 'north', quantity: 1n }];
      const request = { ...act(await confirmed(direct, sku)), lines };
      return {
        attempt: attempt(commitReservation, () => cut.reservations.commitReservation(request)),
        effect: { onHand: 9n, reserved: 1n },
      };
    },
    AdjustStock: async (sku) => {
      const request = { requestId: requestId(), sku, locationId: 'north', delta: 5n, reason: StockReason.RECEIVED };
      return {
        attempt: attempt(adjustStock, () => cut.stock.adjustStock(request)),
        effect: { onHand: 15n, reserved: 0n },
      };
    },
    SetStock: async (sku) => {
      const request = {
        requestId: requestId(),
        sku,
        locationId: 'north',
        onHand: 4n,
        expectedOnHand: 10n,
        reason: StockReason.CORRECTION,
      };
      return { attempt: attempt(setStock, () => cut.stock.setStock(request)), effect: { onHand: 4n, reserved: 0n } };
    },
    MoveStock: async (sku) => {
      const request = {
        requestId: requestId(),
        sku,
        locationId: 'north',
        fromState: StockState.AVAILABLE,
        toState: StockState.DAMAGED,
        quantity: 4n,
      };
      return {
        attempt: attempt(moveStock, () => cut.stock.moveStock(request)),
        effect: { onHand: 10n, damaged: 4n },
      };
    },
    ShipTransfer: async (sku) => {
      const request = { requestId: requestId(), transferId: await drafted(direct, sku, 'north', 'south') };
      return {
        attempt: attempt(shipTransfer, () => cut.transfers.shipTransfer(request)),
        effect: { onHand: 7n, incoming: 0n },
      };
    },
    ReceiveTransfer: async (sku) => {
      const transferId = await shipped(direct, sku, 'south', 'north');
      const lines = [{ sku, acceptedQuantity: 1n, rejectedQuantity: 1n }];
      const request = { requestId: requestId(), transferId, lines };
      return {
        attempt: attempt(receiveTransfer, () => cut.transfers.receiveTransfer(request)),
        effect: { onHand: 12n, damaged: 1n, incoming: 1n },
      };
    },
    CancelTransfer: async (sku) => {
      const request = { requestId: requestId(), transferId: await shipped(direct, sku, 'north', 'south') };
      return {
        attempt: attempt(cancelTransfer, () => cut.transfers.cancelTransfer(request)),
        effect: { onHand: 10n, incoming: 0n },
      };
    },
    ApproveCount: async (sku) => {
      const { counts } = direct;
      const { count } = await counts.createCount({ requestId: requestId(), locationId: 'north', skus: [sku] });
      const request = { requestId: requestId(), countId: count?.countId ?? '' };
      await counts.submitCount({ ...request, requestId: requestId(), lines: [{ sku, countedQuantity: 8n }] });
      return { attempt: attempt(approveCount, () => cut.counts.approveCount(request)), effect: { onHand: 8n } };
    },
    'ImportStock of a chunk': async (sku) => {
      const chunk = { requestId: requestId(), firstLine: 1n, rows: [{ sku, locationId: 'north', onHand: 25n }] };
      const chunks = async function* () {
        yield chunk;
      };
      return { attempt: attempt(importStock, () => cut.stock.importStock(chunks())), effect: { onHand: 25n } };
    },
  };

  /** What makes the effect durable: a COMMIT, or the statement that is a transaction by itself. */
  const durable = (name: string) => (name.includes('planned ahead') ? /reserve_planned/ : /^COMMIT$/);

  describe.each(Object.keys(mutations))('%s', (name) => {
    test.each(['before', 'after'] as const)('%s it took place', async (moment) => {
      const sku = await stocked(direct);
      const { attempt, effect } = (await mutations[name]?.(sku)) ?? expect.unreachable();
      const before = await levelAt(direct, sku, 'north');
      const cutNow = proxy.cutAt(durable(name), moment);
      expect(reasonOf(await failure(attempt.send()))).toBe('UNREACHABLE');
      await cutNow;
      const level = await levelAt(direct, sku, 'north');
      if (moment === 'before') {
        expect(level).toEqual(before);
      } else {
        expect(level).toMatchObject(effect);
      }
      const answers = [await attempt.send(), await attempt.send()];
      expect(answers[0]).toEqual(answers[1]);
      expect(await levelAt(direct, sku, 'north')).toMatchObject(effect);
      await checkInvariants(pool);
    });
  });
});

/** Callers that do as they please until told to stop, repeat what failed, and remember every answer. */
class Load {
  readonly answers = new Map<Attempt, Uint8Array>();
  /** Reservations that were promised. */
  readonly promised = new Set<string>();
  readonly faults: unknown[] = [];
  readonly #stock: Client<typeof StockService>;
  readonly #reservations: Client<typeof ReservationService>;
  #ending = false;

  constructor(clients: Pick<Clients, 'stock' | 'reservations'>) {
    this.#stock = clients.stock;
    this.#reservations = clients.reservations;
  }

  /** Runs until `end` is called. */
  async run(callers: number, pick: () => string): Promise<void> {
    await Promise.all(Array.from({ length: callers }, (_, index) => this.#caller(index, pick)));
  }

  end(): void {
    this.#ending = true;
  }

  async #caller(index: number, pick: () => string): Promise<void> {
    for (let turn = index; !this.#ending; turn += 1) {
      const sku = pick();
      const request = { requestId: requestId(), lines: [{ sku, quantity: 1n }], ttl: { seconds: 600n } };
      let reservationId = '';
      const create = attempt(createReservation, async () => {
        const answer = await this.#reservations.createReservation(request);
        reservationId = answer.reservation?.reservationId ?? '';
        return answer;
      });
      await this.#until(create);
      this.promised.add(reservationId);
      const next = act(reservationId);
      if (turn % 3 === 0) {
        await this.#until(attempt(releaseReservation, () => this.#reservations.releaseReservation(next)));
      } else if (turn % 3 === 1) {
        await this.#until(attempt(confirmReservation, () => this.#reservations.confirmReservation(next)));
        const last = act(reservationId);
        await this.#until(attempt(commitReservation, () => this.#reservations.commitReservation(last)));
      }
      const received = { requestId: requestId(), sku, locationId: 'north', delta: 2n, reason: StockReason.RECEIVED };
      await this.#until(attempt(adjustStock, () => this.#stock.adjustStock(received)));
    }
  }

  /** Sends a request until its fate is known. */
  async #until(one: Attempt): Promise<void> {
    for (;;) {
      try {
        this.answers.set(one, await one.send());
        return;
      } catch (error) {
        if (!OPEN.has(reasonOf(error) ?? 'UNREACHABLE')) {
          this.faults.push(error);
          return;
        }
        await delay(20);
      }
    }
  }
}

/** Everything that was acknowledged is there once, and is answered with the same bytes again. */
async function checkAll(load: Load, pool: Pool): Promise<void> {
  expect(load.faults).toEqual([]);
  await checkInvariants(pool);
  const { rows: reservations } = await pool.query<{ id: string }>('SELECT reservation_id AS id FROM reservations');
  expect(new Set(reservations.map(({ id }) => id))).toEqual(load.promised);
  const received = [...load.answers.keys()].filter(({ name }) => name === adjustStock.name).length;
  const { rows: booked } = await pool.query<{ count: bigint }>(
    'SELECT count(*) AS count FROM ledger_entries WHERE reason = $1 AND on_hand_delta = 2',
    [StockReason.RECEIVED],
  );
  expect(booked[0]?.count).toBe(BigInt(received));
  const all = [...load.answers];
  for (const [one, bytes] of all.filter((_, index) => index % Math.ceil(all.length / 60) === 0)) {
    expect(await one.send(), one.name).toEqual(bytes);
  }
}

const ROUNDS = 4;

test('the process is killed under load', async () => {
  const database = await openTestDatabase('inventory');
  onTestFinished(() => database.drop());
  const folder = await mkdtemp(join(tmpdir(), 'weft-crash-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const listen = `unix:${join(folder, 'app.sock')}`;
  const start = async () => {
    await rm(join(folder, 'app.sock'), { force: true });
    const process = startWorkload('inventory', { WEFT_LISTEN: listen, DATABASE_URL: database.url });
    await expect.poll(() => process.lines.map(({ message }) => message), { timeout: 20_000 }).toContain('listening');
    return process;
  };
  let running = await start();
  const seed = await startReplica(database.url);
  onTestFinished(() => seed.stop());
  await addLocation(seed, { locationId: 'north' });
  const catalogue = await Promise.all([stocked(seed, 100_000), stocked(seed, 100_000)]);

  const to = { egress: listen, policy: policies };
  const load = new Load({ stock: connect(StockService, to), reservations: connect(ReservationService, to) });
  const loaded = load.run(8, () => catalogue[Math.floor(Math.random() * catalogue.length)] ?? '');
  for (let round = 0; round < ROUNDS; round += 1) {
    const seen = load.answers.size;
    await expect.poll(() => load.answers.size, { timeout: 20_000 }).toBeGreaterThan(seen + 100);
    running.child.kill('SIGKILL');
    await running.exited;
    running = await start();
  }
  load.end();
  await loaded;
  await checkAll(load, database.pool);
}, 120_000);

test('PostgreSQL crashes under load and comes back', async () => {
  const postgres = await startTestPostgres({ fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' });
  onTestFinished(() => postgres.stop());
  const url = await postgres.createDatabase('inventory');
  await applyMigrations('inventory', url);
  const pool = openPool({ databaseUrl: url, workload: 'test', maxConnections: 4 });
  onTestFinished(() => pool.end());
  const inventory = await startReplica(url);
  onTestFinished(() => inventory.stop());
  await addLocation(inventory, { locationId: 'north' });
  const catalogue = await Promise.all([stocked(inventory, 100_000), stocked(inventory, 100_000)]);

  const load = new Load(inventory);
  const loaded = load.run(8, () => catalogue[Math.floor(Math.random() * catalogue.length)] ?? '');
  for (let round = 0; round < ROUNDS; round += 1) {
    const seen = load.answers.size;
    await expect.poll(() => load.answers.size, { timeout: 20_000 }).toBeGreaterThan(seen + 100);
    await postgres.crash();
  }
  load.end();
  await loaded;
  await checkAll(load, pool);
}, 120_000);
