/**
 * What the mesh does while parts of it are gone, and what is left of it afterwards: calls fail with a status instead of hanging,
 * everything comes back by itself, and no order is lost, doubled or left half done, wherever its saga was cut.
 *
 * The mesh is this file's own, since processes die in it.
 */

import { randomInt, randomUUID } from 'node:crypto';
import { create, toJsonString } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { QuoteService } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import {
  PlaceShipmentRequestSchema,
  ShipmentService,
  ShipmentState,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { reasonOf } from '@weft/runtime/errors/fail';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Mesh } from '../../../dev/src/mesh.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { BASKET, BERLIN, type Caller, callerOf, failureOf, prepare } from '../customer.ts';
import { type OwnMesh, startOwnMesh } from '../own-mesh.ts';
import {
  counted,
  expectConsistent,
  level,
  newItem,
  type Order,
  orderOf,
  patiently,
  rowsOf,
  settled,
  tried,
} from '../shop.ts';

// A machine that is busy with something else is no failure.
vi.setConfig({ testTimeout: 120_000 });
const WITHIN = { withinMs: 40_000 };

let own: OwnMesh;
let mesh: Mesh;
beforeAll(async () => {
  own = await startOwnMesh({ sample: true });
  mesh = own.mesh;
});
afterAll(async () => {
  await own?.end();
});

/** SIGKILL, and up again without the supervisor's pause. */
async function killAndStart(name: string): Promise<void> {
  await mesh.kill(name);
  await mesh.stop(name);
  await mesh.start(name);
}

/** A transaction in a service's database that holds what it has locked. */
type Held = {
  query(text: string, values: readonly unknown[]): Promise<unknown>;
  /** Commits it. */
  letGo(): Promise<void>;
};

/** Opens one with a statement; at the latest it is let go when the test is over. */
async function hold(service: string, statement: string): Promise<Held> {
  const client = new Client({ connectionString: mesh.databases.get(service) ?? '' });
  client.on('error', () => {});
  await client.connect();
  let held = true;
  const letGo = async () => {
    if (!held) return;
    held = false;
    await client.query('COMMIT');
    await client.end();
  };
  onTestFinished(letGo);
  await client.query('BEGIN');
  await client.query(statement);
  return { letGo, query: (text: string, values: readonly unknown[]) => client.query(text, [...values]) };
}

type Buyer = { readonly customer: Caller; readonly order: Order };

/** Customers who hold an offer each for one unit of a new item. */
async function buyersOfNewItem(count: number) {
  const merchant = await callerOf(mesh);
  const item = await newItem(merchant, 100n);
  const lines = [{ sku: item.sku, quantity: 1n }];
  const buyers: Buyer[] = [];
  for (let index = 0; index < count; index += 1) {
    const customer = await callerOf(mesh, { scopes: ['orders:write'] });
    buyers.push({ customer, order: await orderOf(customer, lines) });
  }
  return { buyers, level: () => level(merchant, item.sku, item.locationId) };
}

const settledAll = (buyers: readonly Buyer[]) =>
  Promise.all(buyers.map(({ customer, order }) => settled(customer, order)));

async function ordersOf(customer: Caller) {
  return (await patiently(() => customer.of(ShipmentService).listShipments({}))).shipments;
}

async function answers(call: () => Promise<unknown>): Promise<void> {
  await waitFor('an answer', async () => (await failureOf(call())) === undefined, WITHIN);
}

describe('a service that is down', () => {
  test('inventory: browsing says so, quotes go on, an order waits, and all is well when it is back', async () => {
    const { buyers, level: levelNow } = await buyersOfNewItem(1);
    const [buyer] = buyers;
    if (buyer === undefined) throw new Error('there is no buyer');
    const stranger = await callerOf(mesh, { scopes: 'none' });
    await mesh.stop('inventory');

    const browsing = await failureOf(stranger.of(ItemService).listItems({ pageSize: 1 }));
    expect(browsing).toMatchObject({ code: Code.Unavailable });
    const quoting = { requestId: randomUUID(), lines: [...BASKET], destination: BERLIN, currencyCode: 'EUR' };
    expect((await stranger.of(QuoteService).createQuote(quoting)).quote?.lines).toHaveLength(BASKET.length);
    expect(reasonOf(await failureOf(prepare(stranger)))).toBe('UNREACHABLE');
    const pending = buyer.customer.of(ShipmentService).placeShipment(buyer.order, { timeoutMs: 3_000 });
    expect(reasonOf(await failureOf(pending))).toBe('SHIPMENT_PENDING');

    await mesh.start('inventory');
    await answers(() => stranger.of(ItemService).listItems({ pageSize: 1 }));
    await answers(() => prepare(stranger));
    expect(await settled(buyer.customer, buyer.order)).toBe('CONFIRMED');
    expect(await levelNow()).toMatchObject({ reserved: 1n });
    await expectConsistent(mesh.databases);
  });

  test('pricing: browsing goes on, checkouts say so', async () => {
    const stranger = await callerOf(mesh, { scopes: 'none' });
    await mesh.stop('pricing');
    expect((await stranger.of(ItemService).listItems({ pageSize: 1 })).items).toHaveLength(1);
    expect(reasonOf(await failureOf(prepare(stranger)))).toBe('UNREACHABLE');
    await mesh.start('pricing');
    await answers(() => prepare(stranger));
  });
});

describe('a service that hangs', () => {
  test('inventory: calls end at their deadline, and all is well when it goes on', async () => {
    const stranger = await callerOf(mesh, { scopes: 'none' });
    const pid = mesh.pids().get('inventory');
    if (pid === undefined) throw new Error('inventory is not up');
    const goOn = () => process.kill(pid, 'SIGCONT');
    onTestFinished(() => void goOn());
    process.kill(pid, 'SIGSTOP');
    const ends = [Code.DeadlineExceeded, Code.Unavailable].map((code) => Code[code]);
    const calls = [stranger.of(ItemService).listItems({ pageSize: 1 }), prepare(stranger)];
    for (const error of await Promise.all(calls.map(failureOf))) {
      expect(ends).toContain(Code[ConnectError.from(error).code]);
    }
    goOn();
    await answers(() => prepare(stranger));
  });
});

describe('a sidecar that is killed', () => {
  test.each(['inventory-sidecar', 'pricing-sidecar', 'shipping-sidecar'])(
    '%s: calls fail with a status that says “again”, until it is up by itself',
    async (name) => {
      const stranger = await callerOf(mesh, { scopes: 'none' });
      const before = mesh.pids().get(name);
      await mesh.kill(name);
      const failures: unknown[] = [];
      await waitFor(
        `an offer by way of another ${name}`,
        async () => {
          const error = await failureOf(prepare(stranger));
          if (error !== undefined) failures.push(error);
          return error === undefined && mesh.pids().get(name) !== before;
        },
        WITHIN,
      );
      for (const error of failures) {
        expect(error).toBeInstanceOf(ConnectError);
        expect(['Unavailable', 'DeadlineExceeded']).toContain(Code[(error as ConnectError).code]);
      }
      await mesh.ready(name);
    },
  );
});

/** Waits until that many sagas stand at a step. */
async function allAt(step: string, count: number): Promise<void> {
  const text = 'SELECT 1 FROM sagas WHERE step = $1 AND done_time IS NULL';
  const there = async () => (await rowsOf(mesh.databases, 'shipping', text, [step])).length === count;
  await waitFor(`${count} sagas at ${step}`, there, WITHIN);
}

const holdReservations = () => hold('inventory', 'LOCK TABLE reservations IN EXCLUSIVE MODE');
const holdQuotes = () => hold('pricing', 'LOCK TABLE quotes IN EXCLUSIVE MODE');
const VOIDED = 3;

/** Makes orders run into a step whose request is then under way and does not end. */
type Way = {
  /** Before the orders begin. */
  readonly first: () => Promise<Held>;
  /** While they stand at ACCEPT. */
  readonly later?: (quotes: Held, quoteIds: readonly string[]) => Promise<Held>;
};

const WAYS: Readonly<Record<string, Way>> = {
  RESERVE: { first: holdReservations },
  ACCEPT: { first: holdQuotes },
  CONFIRM: {
    first: holdQuotes,
    async later(quotes) {
      const reservations = await holdReservations();
      await quotes.letGo();
      return reservations;
    },
  },
  UNDO_RESERVE: {
    first: holdQuotes,
    async later(quotes, quoteIds) {
      await quotes.query('UPDATE quotes SET state = $2 WHERE quote_id = ANY($1)', [quoteIds, VOIDED]);
      const reservations = await holdReservations();
      await quotes.letGo();
      return reservations;
    },
  },
};

describe('trap 10: shipping killed in the middle of orders', () => {
  const ORDERS = 5;

  test.each([
    ['RESERVE', 'CONFIRMED'],
    ['ACCEPT', 'CONFIRMED'],
    ['CONFIRM', 'CONFIRMED'],
    ['UNDO_RESERVE', 'QUOTE_STATE'],
  ])('at %s: each order ends once, and its customer learns how', async (step, outcome) => {
    const { buyers, level: levelNow } = await buyersOfNewItem(ORDERS);
    const way = WAYS[step];
    if (way === undefined) throw new Error(`there is no way to ${step}`);
    let held = await way.first();
    const outcomes = settledAll(buyers);
    if (way.later !== undefined) {
      await allAt('ACCEPT', ORDERS);
      const quoteIds = buyers.map(({ order }) => order.quoteId);
      held = await way.later(held, quoteIds);
    }
    await allAt(step, ORDERS);
    await killAndStart('shipping');
    await held.letGo();
    expect(counted(await outcomes)).toEqual({ [outcome]: ORDERS });
    const reserved = outcome === 'CONFIRMED' ? BigInt(ORDERS) : 0n;
    expect(await levelNow()).toMatchObject({ onHand: 100n, reserved });
    await expectConsistent(mesh.databases);
    expect(counted(await settledAll(buyers))).toEqual({ [outcome]: ORDERS });
    expect(await levelNow()).toMatchObject({ onHand: 100n, reserved });
  });

  test('at random moments of a burst: nothing is lost, stranded or bound twice', async () => {
    const count = 20;
    const { buyers, level: levelNow } = await buyersOfNewItem(count);
    const outcomes = settledAll(buyers);
    const moments = [randomInt(1, 8), randomInt(8, 18)];
    for (const moment of moments) {
      await untilPlaced(buyers, moment);
      await killAndStart('shipping');
    }
    expect(counted(await outcomes), `killed after ${moments.join(' and ')}`).toEqual({ CONFIRMED: count });
    expect(await levelNow()).toMatchObject({ onHand: 100n, reserved: BigInt(count) });
    await expectConsistent(mesh.databases);
  });
});

/** Waits until a number of these customers' orders is placed. */
async function untilPlaced(buyers: readonly Buyer[], count: number): Promise<void> {
  const client = new Client({ connectionString: mesh.databases.get('shipping') ?? '' });
  client.on('error', () => {});
  await client.connect();
  try {
    const text = 'SELECT 1 FROM shipments WHERE state = $1 AND customer_id = ANY($2)';
    const values = [ShipmentState.CONFIRMED, buyers.map(({ customer }) => customer.subject)];
    const placed = async () => ((await client.query(text, values)).rowCount ?? 0) >= count;
    await waitFor(`${count} orders`, placed, { ...WITHIN, everyMs: 1 });
  } finally {
    await client.end();
  }
}

test('PostgreSQL killed in the middle of orders: it is up again by itself, and each order ends once', async () => {
  const count = 10;
  const { buyers, level: levelNow } = await buyersOfNewItem(count);
  const before = mesh.pids().get('postgres');
  const outcomes = settledAll(buyers);
  await untilPlaced(buyers, 2);
  await mesh.kill('postgres');
  await waitFor(
    'another PostgreSQL',
    () => mesh.pids().has('postgres') && mesh.pids().get('postgres') !== before,
    WITHIN,
  );
  await mesh.ready('postgres');
  expect(counted(await outcomes)).toEqual({ CONFIRMED: count });
  expect(await levelNow()).toMatchObject({ onHand: 100n, reserved: BigInt(count) });
  await expectConsistent(mesh.databases);
});

describe('a deadline of milliseconds', () => {
  test('leaves the outcome open until the request is repeated, and one order at most', async () => {
    const { buyers, level: levelNow } = await buyersOfNewItem(1);
    const [buyer] = buyers;
    if (buyer === undefined) throw new Error('there is no buyer');
    const { customer, order } = buyer;
    const token = await mesh.token({ subject: customer.subject });
    // Sent as bare HTTP: a client that counts for itself would give up before the mesh has seen the request.
    const placeWithin = async (timeoutMs: number) => {
      const response = await fetch(`${mesh.edgeUrl}/${ShipmentService.typeName}/PlaceShipment`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'connect-timeout-ms': String(timeoutMs),
        },
        body: toJsonString(PlaceShipmentRequestSchema, create(PlaceShipmentRequestSchema, order)),
      });
      const { code } = (await response.json()) as { code?: string };
      return code ?? 'ok';
    };
    const codes: string[] = [];
    for (const timeoutMs of [1, 1, 2, 4, 8, 16, 32]) codes.push(await placeWithin(timeoutMs));
    expect(codes[0]).toBe('deadline_exceeded');
    for (const code of codes) expect(['deadline_exceeded', 'unavailable', 'ok']).toContain(code);
    expect(await settled(customer, order)).toBe('CONFIRMED');
    expect(await placeWithin(10_000)).toBe('ok');
    expect(await ordersOf(customer)).toHaveLength(1);
    expect(await levelNow()).toMatchObject({ reserved: 1n });
    await expectConsistent(mesh.databases);
  });
});

describe('an offer that has expired', () => {
  const EXPIRE_CHECKOUT = `UPDATE checkouts SET expire_time = now() - interval '1 second' WHERE quote_id = $1`;

  test('is refused at once, and holds nothing', async () => {
    const { buyers, level: levelNow } = await buyersOfNewItem(1);
    for (const { customer, order } of buyers) {
      await rowsOf(mesh.databases, 'shipping', EXPIRE_CHECKOUT, [order.quoteId]);
      expect(await tried(customer, order)).toBe('QUOTE_EXPIRED');
      expect(await ordersOf(customer)).toEqual([]);
    }
    expect(await levelNow()).toMatchObject({ reserved: 0n });
  });

  test('while its order was under way is undone: the stock that was set aside is free again', async () => {
    const { buyers, level: levelNow } = await buyersOfNewItem(1);
    for (const { customer, order } of buyers) {
      // Only pricing knows that it is over. What a quote says is guarded by a trigger, its end too.
      const expire = `
        ALTER TABLE quotes DISABLE TRIGGER quotes_immutable;
        UPDATE quotes SET expire_time = now() - interval '1 second' WHERE quote_id = '${order.quoteId}';
        ALTER TABLE quotes ENABLE TRIGGER quotes_immutable`;
      const client = new Client({ connectionString: mesh.databases.get('pricing') ?? '' });
      await client.connect();
      await client.query(expire);
      await client.end();
      expect(await settled(customer, order)).toBe('QUOTE_EXPIRED');
      const shipments = await ordersOf(customer);
      expect(shipments.map(({ state, failureReason }) => [state, failureReason])).toEqual([
        [ShipmentState.FAILED, 'QUOTE_EXPIRED'],
      ]);
    }
    expect(await levelNow()).toMatchObject({ reserved: 0n });
    await expectConsistent(mesh.databases);
  });
});
