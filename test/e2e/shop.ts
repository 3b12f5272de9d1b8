/**
 * The shop behind the tests of this folder: items of a test's own, orders that are repeated until their outcome is known, and
 * what must hold over all three databases once nothing is under way.
 */

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { ReservationState } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockReason, StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { QuoteState } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { ShipmentService, ShipmentState } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { reasonOf } from '@weft/runtime/errors/fail';
import { Client, type QueryResultRow } from 'pg';
import { expect } from 'vitest';
import { waitFor } from '../../dev/src/wait.ts';
import { type Caller, orderFor, prepare } from './customer.ts';

export type Order = ReturnType<typeof orderFor>;
/** A basket. */
export type Lines = readonly { readonly sku: string; readonly quantity: bigint }[];

/** Failures after which the outcome is open: the same request, repeated, will tell. */
const OPEN: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.ResourceExhausted,
]);
const PAUSE_MS = 100;
const PATIENCE_MS = 40_000;

/** Repeats a request while its outcome is open: a machine that is busy with something else is no failure. */
export async function patiently<T>(request: () => Promise<T>): Promise<T> {
  const untilMs = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof ConnectError) || !OPEN.has(error.code) || Date.now() > untilMs) throw error;
      await delay(PAUSE_MS);
    }
  }
}

/** An item that only the running test knows, with stock in Berlin. */
export async function newItem(merchant: Caller, onHand: bigint): Promise<{ sku: string; locationId: string }> {
  const sku = `TEST-${randomUUID().slice(0, 8).toUpperCase()}`;
  const locationId = 'berlin';
  const item = {
    sku,
    name: 'Test item',
    category: 'test',
    weightGrams: 100,
    dimensions: { lengthMm: 100, widthMm: 80, heightMm: 20 },
    taxCategory: 'standard',
  };
  const create = { requestId: randomUUID(), item };
  await patiently(() => merchant.of(ItemService).createItem(create));
  const price = { sku, unitPrice: { currencyCode: 'EUR', minorUnits: 1_000n }, minQuantity: 1n, taxInclusive: true };
  const upsert = { requestId: randomUUID(), prices: [price] };
  await patiently(() => merchant.of(PriceService).batchUpsertPrices(upsert));
  const adjust = { requestId: randomUUID(), sku, locationId, delta: onHand, reason: StockReason.RECEIVED };
  await patiently(() => merchant.of(StockService).adjustStock(adjust));
  return { sku, locationId };
}

export async function level(caller: Caller, sku: string, locationId: string) {
  const read = () => caller.of(StockService).batchGetStockLevels({ skus: [sku], locationId });
  return (await patiently(read)).stockLevels[0];
}

/** An offer for a basket, and the order that takes it. */
export async function orderOf(customer: Caller, lines: Lines): Promise<Order> {
  return orderFor(await patiently(() => prepare(customer, lines)), lines);
}

/** Places an order, repeats the same request while its outcome is open, and says how it ended: CONFIRMED or the reason. */
export async function settled(customer: Caller, order: Order): Promise<string> {
  const untilMs = Date.now() + PATIENCE_MS;
  for (;;) {
    const outcome = await tried(customer, order);
    if (outcome !== 'OPEN' || Date.now() > untilMs) return outcome;
    await delay(PAUSE_MS);
  }
}

/** Places an order once: CONFIRMED, the reason of a failure that is final, or OPEN. Every failure must have a status. */
export async function tried(customer: Caller, order: Order): Promise<string> {
  try {
    const { shipment } = await customer.of(ShipmentService).placeShipment(order);
    return ShipmentState[shipment?.state ?? 0] ?? '';
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    return OPEN.has(error.code) ? 'OPEN' : (reasonOf(error) ?? error.message);
  }
}

/** How many orders ended how. */
export function counted(outcomes: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(outcomes, (name) => name)].map(([name, all]) => [name, all.length]));
}

/** Addresses of the services' databases, by service: a mesh's own map, or the shared one's plain object. */
export type Databases = ReadonlyMap<string, string> | Readonly<Record<string, string>>;

/** The rows of a statement in a service's database. */
export async function rowsOf<Row extends QueryResultRow>(
  databases: Databases,
  service: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const connectionString = databases instanceof Map ? databases.get(service) : Reflect.get(databases, service);
  const client = new Client({ connectionString });
  // One that is killed says so by an event, too; the statement's own failure is enough.
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

/**
 * Waits until no saga is open, and then sees that inventory, pricing and shipping tell the same story of every order: no order
 * lost, no stock held for nobody, nothing bound twice.
 */
export async function expectConsistent(databases: Databases): Promise<void> {
  const open = 'SELECT kind, step, attempts FROM sagas WHERE done_time IS NULL';
  await waitFor('the end of all sagas', async () => (await rowsOf(databases, 'shipping', open)).length === 0, {
    withinMs: PATIENCE_MS,
  });
  const shipments = await rowsOf<{ id: string; state: ShipmentState; quote: string; reservation: string | null }>(
    databases,
    'shipping',
    'SELECT shipment_id AS id, state, quote_id AS quote, reservation_id AS reservation FROM shipments ORDER BY 1',
  );
  const placed = shipments.filter(({ state }) => state === ShipmentState.CONFIRMED);
  const ended = [ShipmentState.CONFIRMED, ShipmentState.CANCELLED, ShipmentState.FAILED];
  expect(shipments.filter(({ state }) => !ended.includes(state))).toEqual([]);
  const active = await rowsOf<{ id: string; reference: string; state: ReservationState }>(
    databases,
    'inventory',
    'SELECT reservation_id AS id, reference, state FROM reservations WHERE state IN (1, 2) ORDER BY reference',
  );
  expect(active).toEqual(
    placed.map(({ id, reservation }) => ({ id: reservation, reference: id, state: ReservationState.CONFIRMED })),
  );
  const accepted = await rowsOf<{ id: string; reference: string }>(
    databases,
    'pricing',
    'SELECT quote_id AS id, reference FROM quotes WHERE state = $1 ORDER BY reference',
    [QuoteState.ACCEPTED],
  );
  expect(accepted).toEqual(placed.map(({ id, quote }) => ({ id: quote, reference: id })));
  expect(await rowsOf(databases, 'inventory', DRIFT)).toEqual([]);
}

/** Stock whose counters are not the sums of what they count. */
const DRIFT = `
  SELECT s.sku, s.location_id, s.on_hand, s.reserved, held.quantity, booked.quantity
  FROM stock s,
    LATERAL (
      SELECT coalesce(sum(a.quantity), 0) AS quantity FROM allocations a JOIN reservations r USING (reservation_id)
      WHERE r.state IN (1, 2) AND a.sku = s.sku AND a.location_id = s.location_id) AS held,
    LATERAL (
      SELECT coalesce(sum(l.on_hand_delta), 0) AS quantity FROM ledger_entries l
      WHERE l.sku = s.sku AND l.location_id = s.location_id) AS booked
  WHERE s.reserved <> held.quantity OR s.on_hand <> booked.quantity OR s.reserved > s.on_hand`;
